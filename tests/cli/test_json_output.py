"""``--format json``: one documented document for each command, and nothing else."""

import json
import os
import runpy
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import TypeAdapter
from typer.testing import CliRunner

from colonnade.cli._app import app
from colonnade.cli._json_output import INTERRUPTED, run_with_json, without_passwords
from colonnade.cli._reports import REPORTS, ErrorReport
from colonnade.templates import lay_out
from tests.cli.running import ROOT, colonnade, run_module

OWNER = ('priority: Priority = "medium"\n', 'priority: Priority = "medium"\n    owner: str\n')


class Tasks:
    """The example project, and its database."""

    def __init__(self, directory: Path, url: str) -> None:
        lay_out(directory, "tasks", example="tasks")
        self.directory = directory
        self.url = url

    def run(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The document that a command prints, in its documented form."""
        completed = colonnade(
            *arguments, "--format", "json", cwd=self.directory, DATABASE_URL=self.url
        )
        assert completed.returncode == code, completed.stderr
        document: dict[str, Any] = json.loads(completed.stdout)
        command = f"{arguments[0]} --plan" if "--plan" in arguments else arguments[0]
        report = ErrorReport if "error" in document else REPORTS[command]
        assert is_dataclass(report)
        adapter: TypeAdapter[Any] = TypeAdapter(report)
        # As documented, with no field more and none less.
        assert json.loads(adapter.dump_json(adapter.validate_json(completed.stdout))) == document
        return document

    def change(self, file: str, old: str, new: str) -> None:
        path = self.directory / file
        source = path.read_text()
        assert old in source
        path.write_text(source.replace(old, new))


@pytest.fixture
def tasks(tmp_path: Path, database_url: str) -> Tasks:
    if database_url == "sqlite://":
        pytest.skip("a database in memory does not outlive a command")
    return Tasks(tmp_path / "tasks", database_url)


@pytest.fixture
def tasks_in_a_file(tmp_path: Path) -> Tasks:
    """The project on SQLite, for what does not depend on the database."""
    return Tasks(tmp_path / "tasks", f"sqlite:///{tmp_path}/tasks.db")


@pytest.mark.slow
def test_the_way_of_a_revision(tasks: Tasks) -> None:
    current = tasks.run("current")
    assert (current["heads"], current["behind"], current["unfinished"]) == ([], 1, [])
    upgraded = tasks.run("upgrade")
    (first,) = upgraded["ran"]
    assert upgraded["heads"] == [{"revision": first["revision"], "message": first["message"]}]
    assert tasks.run("upgrade")["ran"] == []

    tasks.change("app/models.py", *OWNER)
    drift = tasks.run("drift", code=1)
    assert [each["between"] for each in drift["differences"]] == ["models"]
    written = tasks.run("migrate", "-m", "tasks have an owner", "--fill", "task.owner=nobody")
    assert (written["message"], len(written["files"])) == ("tasks have an owner", 1)
    assert any("owner" in step for step in written["steps"])
    assert tasks.run("migrate")["files"] == []
    assert "owner" in tasks.run("upgrade", "--sql")["sql"]
    states = tasks.run("history")["revisions"]
    assert [state["is_applied"] for state in states] == [True, False]
    assert states[1]["after"] == [first["revision"]]
    assert [run["message"] for run in tasks.run("upgrade")["ran"]] == ["tasks have an owner"]
    assert tasks.run("drift")["differences"] == []
    inspected = tasks.run("inspect")
    assert inspected["migrations"] == tasks.run("current")
    assert inspected["migrations"]["behind"] == 0


@pytest.mark.slow
def test_what_the_guard_refuses(tasks: Tasks) -> None:
    tasks.run("upgrade")
    filled = run_module("app.sample", cwd=tasks.directory, DATABASE_URL=tasks.url)
    assert filled.returncode == 0, filled.stderr
    refused = tasks.run("downgrade", "base", code=1)["error"]
    assert refused["type"] == "RefusedError"
    assert "Nothing was run." in refused["message"]
    names = [finding["name"] for finding in refused["findings"] if finding["can_be_allowed"]]
    assert "loses-data:task" in names
    allowed = [part for name in dict.fromkeys(names) for part in ("--allow", name)]
    assert tasks.run("downgrade", "base", *allowed)["heads"] == []


@pytest.mark.slow
def test_a_plan_is_confirmed_by_its_code(tasks: Tasks) -> None:
    tasks.run("upgrade")
    assert run_module("app.sample", cwd=tasks.directory, DATABASE_URL=tasks.url).returncode == 0
    tasks.change("pyproject.toml", "[tool.colonnade]\n", "[tool.colonnade]\nconfirm = true\n")
    plan = tasks.run("downgrade", "base", "--plan")
    assert (len(plan["revisions"]), plan["needs_confirmation"]) == (1, True)
    names = dict.fromkeys(each["name"] for each in plan["findings"] if each["can_be_allowed"])
    allowed = ["downgrade", "base", *(part for name in names for part in ("--allow", name))]
    refused = tasks.run(*allowed, code=1)["error"]
    assert refused["type"] == "ConfirmationError"
    assert "--confirm CODE" in refused["message"]
    assert tasks.run(*allowed, "--confirm", "AAAAAAAA", code=1)["error"]["type"] == refused["type"]
    assert tasks.run(*allowed, "--confirm", plan["code"])["heads"] == []


@pytest.mark.slow
def test_what_a_revision_prints_is_not_part_of_the_document(tasks_in_a_file: Tasks) -> None:
    tasks = tasks_in_a_file
    tasks.run("migrate", "--empty", "-m", "loud")
    (revision,) = (tasks.directory / "migrations/versions").glob("*loud*.py")
    source = revision.read_text()
    revision.write_text(
        source.replace("def upgrade() -> None:", "print('loud')\n\n\ndef upgrade() -> None:")
    )
    assert "print('loud')" in revision.read_text()
    assert [run["message"] for run in tasks.run("upgrade")["ran"]] == ["first", "loud"]


@pytest.mark.slow
def test_the_diagnosis_of_a_database(tasks: Tasks) -> None:
    diagnosis = tasks.run("doctor")
    assert diagnosis["healthy"]
    assert [check["name"] for check in diagnosis["checks"]] == ["sync", "async"]
    unusable = tasks.run("doctor", f"sqlite:///{tasks.directory}", code=1)
    assert not unusable["healthy"]
    assert all(check["error"] for check in unusable["checks"])
    wrong = tasks.run("doctor", "postgresql://me:secret@host/db?sslmode=nonsense", code=1)
    assert "sslmode" in wrong["error"]["message"]
    assert "secret" not in str(wrong)


@pytest.mark.slow
def test_an_adopted_database(tasks: Tasks, tmp_path: Path) -> None:
    tasks.run("upgrade")
    empty = tmp_path / "adopting"
    empty.mkdir()
    (empty / "pyproject.toml").write_text("[tool.colonnade]\n")
    tasks.directory = empty
    adopted = tasks.run("adopt", "-o", "models.py", "--database-url", tasks.url)
    assert adopted["module"] == "models.py"
    assert "Task" in adopted["models"]
    assert len(adopted["revisions"]) >= 1
    assert adopted["differences"] == []
    again = tasks.run("adopt", "-o", "models.py", "--database-url", tasks.url, code=1)
    assert "already exists" in again["error"]["message"]


@pytest.mark.slow
def test_a_diagram(tasks_in_a_file: Tasks) -> None:
    tasks = tasks_in_a_file
    printed = tasks.run("diagram")
    assert printed["mermaid"].startswith("erDiagram")
    assert printed["file"] is None
    written = tasks.run("diagram", "-o", "schema.mmd")
    assert (written["file"], written["mermaid"]) == ("schema.mmd", None)
    assert tasks.run("diagram", "-o", "schema.mmd", "--check")["tables"] == printed["tables"]
    tasks.change("app/models.py", *OWNER)
    stale = tasks.run("diagram", "-o", "schema.mmd", "--check", code=1)
    assert "is out of date" in stale["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (["upgrade", "--alow", "x"], "UsageError", 2),
        (["migrate", "--rename", "title"], "UsageError", 2),
        (["upgrade", "nowhere"], "MigrationError", 1),
        (["diagram", "no.such.module"], "CommandError", 1),
    ],
)
def test_an_error_is_a_document(
    arguments: list[str], kind: str, code: int, tasks_in_a_file: Tasks
) -> None:
    tasks = tasks_in_a_file
    error = tasks.run(*arguments, code=code)["error"]
    assert error["type"] == kind
    assert error["message"]


def test_a_bug_is_a_document_and_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def command(**_: object) -> None:
        sys.stdout.write("not a document")
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        run_with_json(command)
    out, err = capsys.readouterr()
    assert json.loads(out)["error"] == {
        "type": "ZeroDivisionError", "message": "a bug", "findings": []
    }  # fmt: skip
    assert err == "not a document"


def test_an_app_that_ends_the_program_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    def command(**_: object) -> None:
        sys.exit(0)

    assert run_with_json(command) == 1
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "SystemExit"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:s3cr@h/db", "postgresql://me:***@h/db"),
        ("postgresql://me:s3:c/r@h:5432/db", "postgresql://me:***@h:5432/db"),
        ("The revision postgresql://me:s3cr does not", "The revision postgresql://me:*** does not"),
        ("http://127.0.0.1:8000/docs", "http://127.0.0.1:8000/docs"),
    ],
)
def test_messages_have_no_passwords(text: str, shown: str) -> None:
    assert without_passwords(text) == shown


def test_a_document_is_utf8_whatever_the_locale_is(tmp_path: Path) -> None:
    program = "from colonnade.cli._json_output import write_document; write_document('café ☕')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True
    )
    assert done.stdout.decode() == "café ☕\n"


def test_an_option_that_does_not_exist_is_not_the_target_of_a_downgrade() -> None:
    result = CliRunner().invoke(app, ["downgrade", "--alow", "loses-data"])
    assert result.exit_code == 2


def test_an_interrupted_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with_json(lambda **_: INTERRUPTED) == INTERRUPTED
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "Interrupted"


def test_each_command_with_a_format_has_a_documented_report() -> None:
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group
    formatted = {
        name
        for name, command in commands.items()
        if any("--format" in parameter.opts for parameter in command.params)
    }
    assert formatted - {"check"} == {name.split()[0] for name in REPORTS}


def test_the_page_of_the_reports_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "command_output_page.py"))
    assert script["PAGE"].read_text() == script["page"](), (
        "run: python scripts/command_output_page.py"
    )
