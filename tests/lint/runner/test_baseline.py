"""Baselines of known findings."""

from pathlib import Path

import pytest

from colonnade.errors import CheckError
from colonnade.lint import Settings, check, exclude_known, read_baseline, write_baseline
from tests.lint.project.test_sources import WRONG


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_baseline_recognizes_findings_that_moved(here: Path) -> None:
    (here / "a.py").write_text(WRONG)
    file = here / "known.json"
    assert write_baseline(file, check(Settings(here), cached=False).findings, here) == 1
    (here / "a.py").write_text("# moved\n\n" + WRONG)
    new, known = exclude_known(
        check(Settings(here), cached=False).findings, read_baseline(file), here
    )
    assert (new, known) == ([], 1)
    (here / "a.py").write_text(WRONG + WRONG.replace("engine =", "other ="))
    new, known = exclude_known(
        check(Settings(here), cached=False).findings, read_baseline(file), here
    )
    assert ([finding.line for finding in new], known) == ([6], 1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"findings": [{}]}', '{"findings": [1]}'])
def test_a_file_that_is_not_a_baseline_is_refused(text: str, here: Path) -> None:
    (here / "known.json").write_text(text)
    with pytest.raises(CheckError, match=r"known.json is not a baseline"):
        read_baseline(here / "known.json")
    with pytest.raises(CheckError, match="Create it with --write-baseline"):
        read_baseline(here / "none.json")
