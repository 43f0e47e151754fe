"""``colonnade check`` on the command line."""

import json
import subprocess
import sys
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colonnade.cli._app import app
from tests.cli.running import colonnade
from tests.lint.project.test_sources import RIGHT, WRONG
from tests.lint.test_reports import SECRET


@dataclass
class CommandResult:
    """The output and the exit code of a command."""

    returncode: int
    stdout: str
    stderr: str


def check(*arguments: str, cwd: Path, stdin: str | None = None) -> CommandResult:
    """Run ``colonnade check`` in this process."""
    with chdir(cwd):
        result = CliRunner().invoke(app, ["check", *arguments], input=stdin, prog_name="colonnade")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return CommandResult(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "engine.py").write_text(WRONG)
    return tmp_path


@pytest.mark.slow
def test_findings_are_printed_and_exit_with_1(project: Path) -> None:
    completed = colonnade("check", cwd=project)
    assert completed.returncode == 1
    assert "engine.py:3:37: CLN404 [*] `pool_size` does not help on SQLite" in completed.stdout
    assert '3 | engine = create_engine("sqlite://", pool_size=5)' in completed.stdout
    assert "Found 1 mistake in 1 file. 1 can be fixed with --fix." in completed.stdout
    again = check("--format", "concise", "--exit-zero", cwd=project)
    assert again.returncode == 0
    assert again.stdout.splitlines()[0].startswith("engine.py:3:37: CLN404")


def test_fix_changes_files_and_diff_only_prints(project: Path) -> None:
    diff = check("--diff", cwd=project)
    assert diff.returncode == 1
    assert '-engine = create_engine("sqlite://", pool_size=5)' in diff.stdout
    assert '+engine = create_engine("sqlite://")' in diff.stdout
    assert (project / "engine.py").read_text() == WRONG
    fixed = check("--fix", cwd=project)
    assert (fixed.returncode, (project / "engine.py").read_text()) == (0, RIGHT)
    assert "Fixed 1." in fixed.stdout
    clean = check("--diff", cwd=project)
    assert (clean.returncode, clean.stdout) == (0, "")


def test_the_json_format_prints_only_json(project: Path) -> None:
    completed = check("--format", "json", cwd=project)
    assert [finding["code"] for finding in json.loads(completed.stdout)] == ["CLN404"]
    (project / "engine.py").write_text(RIGHT)
    assert json.loads(check("--format", "json", cwd=project).stdout) == []
    for format_ in ("sarif", "github"):
        assert check("--format", format_, cwd=project).returncode == 0


def test_rules_are_selected_and_ignored(project: Path) -> None:
    assert check("--select", "CLN1,cln2", cwd=project).returncode == 0
    assert check("--ignore", "CLN404", cwd=project).returncode == 0
    assert check("--select", "CLN4", cwd=project).returncode == 1
    completed = check("--statistics", cwd=project)
    assert completed.stdout.split() == ["1", "CLN404", "pool-on-sqlite"]


def test_a_baseline_is_written_and_used(project: Path) -> None:
    completed = check("--write-baseline", "known.json", cwd=project)
    assert (completed.returncode, completed.stdout) == (0, "Wrote 1 finding to known.json.\n")
    completed = check("--baseline", "known.json", cwd=project)
    assert completed.returncode == 0
    assert "nothing found (1 more in the baseline)" in completed.stdout
    (project / "pyproject.toml").write_text('[tool.colonnade.check]\nbaseline = "known.json"\n')
    assert check(cwd=project).returncode == 0
    (project / "other.py").write_text(WRONG)
    assert check(cwd=project).returncode == 1


@pytest.mark.slow
def test_standard_input_is_checked_and_fixed(project: Path) -> None:
    completed = check("-", "--stdin-filename", "app/new.py", cwd=project, stdin=WRONG)
    assert (completed.returncode, completed.stdout[:18]) == (1, "app/new.py:3:37: C")
    command = [sys.executable, "-m", "colonnade", "check", "-", "--fix"]
    fixed = subprocess.run(
        command, input=WRONG, cwd=project, capture_output=True, text=True, check=False
    )
    assert (fixed.returncode, fixed.stdout) == (0, RIGHT)


def test_explain_prints_the_documentation_of_a_rule(tmp_path: Path) -> None:
    completed = check("--explain", "cln205", cwd=tmp_path)
    assert completed.returncode == 0
    for text in ("CLN205 read-after-commit", "MissingGreenlet", "Wrong", "Right", "# CLN205"):
        assert text in completed.stdout
    assert "CLN501" in check("--explain", "CLN501", cwd=tmp_path).stdout
    completed = check("--rules", cwd=tmp_path)
    assert completed.stdout.count("\nCLN") > 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.py"], "The path gone.py does not exist"),
        (["--select", "E501"], "Unknown rule 'E501'"),
        (["--explain", "CLN999"], "unknown rule CLN999"),
        (["--baseline", "none.json"], "Create it with --write-baseline"),
        (["--format", "xml"], "is not one of"),
        (["--jobs", "0"], "greater than or equal to 1"),
        (["--database-url", "sqlite://"], "it requires --models"),
    ],
)
def test_an_invalid_option_exits_with_2(project: Path, arguments: list[str], message: str) -> None:
    completed = check(*arguments, cwd=project)
    assert completed.returncode == 2
    assert message in " ".join(completed.stderr.replace("│", " ").split())


def test_an_invalid_setting_exits_with_2(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.colonnade.check]\nselct = []\n")
    completed = check(cwd=project)
    assert completed.returncode == 2
    assert "Did you mean select?" in " ".join(completed.stderr.replace("│", " ").split())


def test_files_that_cannot_be_checked_are_reported_and_the_others_checked(project: Path) -> None:
    (project / "huge.py").write_text("x = 1\n" * 200_000)
    (project / "broken.py").write_text("def f(:\n")
    completed = check(cwd=project)
    assert completed.returncode == 1
    assert "not checked: huge.py (1.2 MB" in completed.stderr
    assert "broken.py:1:7: CLN001" in completed.stdout
    assert "engine.py:3:37: CLN404" in completed.stdout
    assert "Traceback" not in completed.stderr


def test_a_folder_without_files_is_reported(project: Path) -> None:
    (project / "empty").mkdir()
    for options in ([], ["--fix"], ["--diff"], ["--format", "json"]):
        completed = check("empty", *options, cwd=project)
        assert completed.returncode == 0
        assert "No files to check in empty: there are no Python files" in completed.stderr
        assert "nothing found" not in completed.stdout
    (project / "pyproject.toml").write_text('[tool.colonnade.check]\nexclude = ["engine.py"]\n')
    assert "all of them are excluded" in check("engine.py", cwd=project).stderr


def test_no_password_is_printed(project: Path) -> None:
    (project / "engine.py").write_text(SECRET)
    for options in ([], ["--diff", "--unsafe-fixes"], ["--format", "json"], ["--format", "sarif"]):
        completed = check(*options, cwd=project)
        assert completed.returncode == 1
        assert "hunter" not in completed.stdout + completed.stderr


@pytest.mark.slow
@pytest.mark.parametrize("example", [["--model", "Book"], ["--example", "tasks"]], ids=" ".join)
def test_a_new_project_has_no_findings(example: list[str], tmp_path: Path) -> None:
    colonnade("new", "tracker", *example, cwd=tmp_path)
    project = tmp_path / "tracker"
    completed = colonnade("check", "--no-cache", cwd=project)
    assert (completed.returncode, completed.stderr) == (0, ""), completed.stdout
    completed = colonnade("check", "--models", "app.models", cwd=project)
    assert completed.returncode == 0, completed.stdout
    assert not (project / ".colonnade_cache").exists()


MODELS = """
from sqlmodel import Field, SQLModel

class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    worker_id: int | None = Field(default=None, foreign_key="worker.id")
"""


@pytest.mark.slow
def test_tables_of_a_module_and_of_a_database_are_reviewed(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "models.py").write_text(MODELS.replace("worker_id: int", "worker_id: str"))
    completed = colonnade("check", "--models", "models", "--format", "concise", cwd=tmp_path)
    assert completed.returncode == 1
    assert (
        "models.py:7:7: CLN501 `task` has no index for the foreign key `worker_id`"
        in completed.stdout
    )
    assert "Found 2 mistakes in the tables of models." in completed.stdout
    completed = colonnade(
        "check", "--models", "models", "--database-url", database_url, "--format", "concise",
        "--select", "CLN510", cwd=tmp_path,
    )  # fmt: skip
    assert completed.returncode == 1
    assert "CLN510 The database lacks the table worker" in completed.stdout
    assert "CLN501" not in completed.stdout
    (tmp_path / "models.py").write_text(MODELS)
    completed = colonnade("check", "--models", "models", "--format", "concise", cwd=tmp_path)
    assert (
        "CLN505 `worker_id` is INTEGER, but refers to `worker.id`, which is text"
        in completed.stdout
    )


UNMAPPED = """
from sqlmodel import Field, Relationship, SQLModel

class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Tusk"] = Relationship()

class Worker(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project: Project = Relationship(sa_relationship_kwargs={"primaryjoin": lambda: gone})
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)

class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    steps: list["Step"] = Relationship(back_populates="note", cascade_delete=True)

class Step(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    note_id: int | None = Field(default=None, foreign_key="note.id")
    note: Note = Relationship(back_populates="steps")
"""


@pytest.mark.slow
def test_findings_of_other_models_are_reported_if_one_cannot_be_mapped(
    tmp_path: Path,
) -> None:
    (tmp_path / "models.py").write_text(UNMAPPED)
    completed = colonnade(
        "check", "--models", "models", "--format", "concise", "--ignore", "CLN508", cwd=tmp_path
    )
    assert (completed.returncode, completed.stderr) == (1, "")
    first, second, *others, _ = completed.stdout.splitlines()
    assert first.startswith("models.py:4:7: CLN513 `Project` cannot be mapped: When initializing")
    assert "'Tusk'" in first
    assert second.startswith("models.py:8:7: CLN513 `Worker` cannot be mapped: ")
    assert [line.split()[1] for line in others] == ["CLN503", "CLN501", "CLN504"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "models cannot be imported: ZeroDivisionError"),
        ("x = 1", "models has no tables"),
    ],
)
def test_a_module_that_cannot_be_reviewed_is_an_error(
    tmp_path: Path, code: str | None, message: str
) -> None:
    if code is not None:
        (tmp_path / "models.py").write_text(code)
    completed = colonnade("check", "--models", "models", cwd=tmp_path)
    assert completed.returncode == 1
    assert message in completed.stderr
    assert "Traceback" not in completed.stderr
