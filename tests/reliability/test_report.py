"""The tables in the docs show the saved results, in which no write was lost or doubled."""

import json

from tests.reliability.report import PAGE, RESULTS, fill


def test_the_docs_show_the_saved_results() -> None:
    page = PAGE.read_text()
    assert fill(page, json.loads(RESULTS.read_text())) == page


def test_no_write_was_lost_or_doubled() -> None:
    for line in json.loads(RESULTS.read_text())["lines"]:
        assert (line["lost"], line["doubled"], line["wrong"]) == (0, 0, 0), line
        assert line["requests"] > 100, line
