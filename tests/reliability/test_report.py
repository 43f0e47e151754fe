"""The table in the docs is what was counted; and there are zeros where zeros belong."""

import json

from tests.reliability.report import PAGE, RESULTS, filled


def test_the_docs_show_what_was_counted() -> None:
    page = PAGE.read_text()
    assert filled(page, json.loads(RESULTS.read_text())) == page


def test_nothing_was_lost_or_doubled() -> None:
    for line in json.loads(RESULTS.read_text())["lines"]:
        assert (line["lost"], line["doubled"], line["wrong"]) == (0, 0, 0), line
        assert line["requests"] > 100, line
