"""Report formats."""

import json
from pathlib import Path

import pytest
from rich.text import Text

from colonnade.lint import Settings, check
from colonnade.lint.reports import Texts, as_github, as_json, as_sarif, as_text
from tests.lint.project.test_sources import WRONG, notebook

SECRET = """from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine("postgresql+asyncpg://me:hunter5@db.io/x?sslmode=require", echo=True)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_text_report_shows_the_code_and_the_advice(here: Path) -> None:
    (here / "a.py").write_text(WRONG)
    findings = check(Settings(here), cached=False).findings
    lines = [Text.from_markup(line).plain for line in as_text(findings, Texts())]
    assert lines == [
        "a.py:3:37: CLN404 [*] `pool_size` does not help on SQLite, which has a single writer",
        "  |",
        "1 | from sqlmodel import create_engine",
        "2 |",
        '3 | engine = create_engine("sqlite://", pool_size=5)',
        "  |                                     ^^^^^^^^^^^ CLN404",
        "4 |",
        "  |",
        "   = help: Remove `pool_size`",
        "",
    ]
    short = [Text.from_markup(line).plain for line in as_text(findings, Texts(), frames=False)]
    assert short == lines[:1]


def test_no_report_contains_a_password(here: Path) -> None:
    (here / "a.py").write_text(SECRET)
    findings = check(Settings(here), cached=True).findings
    assert {finding.code for finding in findings} == {"CLN401", "CLN402", "CLN403"}
    everything = "\n".join(
        [*as_text(findings, Texts()), as_json(findings, Texts()), as_sarif(findings, Texts(), "1"),
         *as_github(findings), *(path.read_text() for path in here.rglob("*.json"))]
    )  # fmt: skip
    assert "hunter" not in everything
    assert "me:*******@db.io" in everything


def test_the_json_report_contains_every_field(here: Path) -> None:
    (here / "a.py").write_text(WRONG)
    (here / "b.ipynb").write_bytes(notebook(WRONG))
    findings = json.loads(as_json(check(Settings(here), cached=False).findings, Texts()))
    assert findings[0] == {
        "code": "CLN404", "path": "a.py", "line": 3, "column": 37, "end_line": 3,
        "end_column": 48, "cell": None,
        "message": "`pool_size` does not help on SQLite, which has a single writer",
        "advice": None,
        "fix": {
            "message": "Remove `pool_size`", "safe": True,
            "edits": [{"line": 3, "column": 35, "end_line": 3, "end_column": 48, "content": ""}],
        },
    }  # fmt: skip
    assert (findings[1]["path"], findings[1]["cell"], findings[1]["fix"]) == ("b.ipynb", 2, None)


def test_the_sarif_report_contains_rules_locations_and_fixes(here: Path) -> None:
    (here / "a.py").write_text(WRONG)
    log = json.loads(as_sarif(check(Settings(here), cached=False).findings, Texts(), "1.2"))
    run = log["runs"][0]
    assert (log["version"], run["tool"]["driver"]["version"]) == ("2.1.0", "1.2")
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["CLN404"]
    result = run["results"][0]
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "a.py"}
    assert location["region"] == {"startLine": 3, "startColumn": 37, "endLine": 3, "endColumn": 48}
    assert result["fixes"][0]["description"]["text"] == "Remove `pool_size`"


def test_the_github_report_is_a_workflow_command(here: Path) -> None:
    (here / "50%, a:b.py").write_text(WRONG)
    assert list(as_github(check(Settings(here), cached=False).findings)) == [
        "::error title=Colonnade (CLN404),file=50%25%2C a%3Ab.py,line=3,endLine=3,col=37::"
        "50%25, a:b.py:3:37: CLN404 `pool_size` does not help on SQLite, which has a single writer"
    ]
