"""`colonnade check`, as a person would run it."""

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
from tests.lint.test_reports import SECRET
from tests.lint.test_sources import RIGHT, WRONG


@dataclass
class Done:
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def check(*arguments: str, cwd: Path, stdin: str | None = None) -> Done:
    """Run ``colonnade check`` in this process."""
    with chdir(cwd):
        result = CliRunner().invoke(app, ["check", *arguments], input=stdin, prog_name="colonnade")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "engine.py").write_text(WRONG)
    return tmp_path


def test_findings_are_told_with_their_code_and_exit_with_1(project: Path) -> None:
    done = colonnade("check", cwd=project)
    assert done.returncode == 1
    assert "engine.py:3:37: CLN404 [*] `pool_size` is nothing for SQLite" in done.stdout
    assert '3 | engine = create_engine("sqlite://", pool_size=5)' in done.stdout
    assert "Found 1 mistake in 1 file. 1 can be fixed with --fix." in done.stdout
    again = check("--format", "concise", "--exit-zero", cwd=project)
    assert again.returncode == 0
    assert again.stdout.splitlines()[0].startswith("engine.py:3:37: CLN404")


def test_fix_mends_and_diff_shows(project: Path) -> None:
    shown = check("--diff", cwd=project)
    assert shown.returncode == 1
    assert '-engine = create_engine("sqlite://", pool_size=5)' in shown.stdout
    assert '+engine = create_engine("sqlite://")' in shown.stdout
    assert (project / "engine.py").read_text() == WRONG
    fixed = check("--fix", cwd=project)
    assert (fixed.returncode, (project / "engine.py").read_text()) == (0, RIGHT)
    assert "Fixed 1." in fixed.stdout
    clean = check("--diff", cwd=project)
    assert (clean.returncode, clean.stdout) == (0, "")


def test_json_is_nothing_but_json(project: Path) -> None:
    done = check("--format", "json", cwd=project)
    assert [load["code"] for load in json.loads(done.stdout)] == ["CLN404"]
    (project / "engine.py").write_text(RIGHT)
    assert json.loads(check("--format", "json", cwd=project).stdout) == []
    for format_ in ("sarif", "github"):
        assert check("--format", format_, cwd=project).returncode == 0


def test_codes_are_chosen_and_left_out(project: Path) -> None:
    assert check("--select", "CLN1,cln2", cwd=project).returncode == 0
    assert check("--ignore", "CLN404", cwd=project).returncode == 0
    assert check("--select", "CLN4", cwd=project).returncode == 1
    done = check("--statistics", cwd=project)
    assert done.stdout.split() == ["1", "CLN404", "pool-on-sqlite"]


def test_a_baseline_is_written_and_used(project: Path) -> None:
    done = check("--write-baseline", "known.json", cwd=project)
    assert (done.returncode, done.stdout) == (0, "1 finding in known.json.\n")
    done = check("--baseline", "known.json", cwd=project)
    assert done.returncode == 0
    assert "nothing found (1 more in the baseline)" in done.stdout
    (project / "pyproject.toml").write_text('[tool.colonnade.check]\nbaseline = "known.json"\n')
    assert check(cwd=project).returncode == 0
    (project / "other.py").write_text(WRONG)
    assert check(cwd=project).returncode == 1


def test_standard_input_is_checked_and_mended(project: Path) -> None:
    done = check("-", "--stdin-filename", "app/new.py", cwd=project, stdin=WRONG)
    assert (done.returncode, done.stdout[:18]) == (1, "app/new.py:3:37: C")
    command = [sys.executable, "-m", "colonnade", "check", "-", "--fix"]
    fixed = subprocess.run(
        command, input=WRONG, cwd=project, capture_output=True, text=True, check=False
    )
    assert (fixed.returncode, fixed.stdout) == (0, RIGHT)


def test_a_rule_explains_itself(tmp_path: Path) -> None:
    done = check("--explain", "cln205", cwd=tmp_path)
    assert done.returncode == 0
    for text in ("CLN205 read-after-commit", "MissingGreenlet", "Wrong", "Right", "# CLN205"):
        assert text in done.stdout
    assert "CLN501" in check("--explain", "CLN501", cwd=tmp_path).stdout
    done = check("--rules", cwd=tmp_path)
    assert done.stdout.count("\nCLN") > 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.py"], "There is no file or folder gone.py"),
        (["--select", "E501"], "Unknown rule 'E501'"),
        (["--explain", "CLN999"], "unknown rule CLN999"),
        (["--baseline", "none.json"], "Create it with --write-baseline"),
        (["--format", "xml"], "is not one of"),
        (["--jobs", "0"], "greater than or equal to 1"),
        (["--database-url", "sqlite://"], "it goes with --models"),
    ],
)
def test_what_is_asked_wrongly_exits_with_2(
    project: Path, arguments: list[str], message: str
) -> None:
    done = check(*arguments, cwd=project)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_settings_that_mean_nothing_exit_with_2(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.colonnade.check]\nselct = []\n")
    done = check(cwd=project)
    assert done.returncode == 2
    assert "Did you mean select?" in " ".join(done.stderr.replace("│", " ").split())


def test_what_cannot_be_checked_is_said_and_the_rest_is_checked(project: Path) -> None:
    (project / "huge.py").write_text("x = 1\n" * 200_000)
    (project / "broken.py").write_text("def f(:\n")
    done = check(cwd=project)
    assert done.returncode == 1
    assert "not checked: huge.py (1.2 MB" in done.stderr
    assert "broken.py:1:7: CLN001" in done.stdout
    assert "engine.py:3:37: CLN404" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_without_files_is_not_taken_for_one_without_mistakes(project: Path) -> None:
    (project / "empty").mkdir()
    for options in ([], ["--fix"], ["--diff"], ["--format", "json"]):
        done = check("empty", *options, cwd=project)
        assert done.returncode == 0
        assert "No files to check in empty: there are no Python files" in done.stderr
        assert "nothing found" not in done.stdout
    (project / "pyproject.toml").write_text('[tool.colonnade.check]\nexclude = ["engine.py"]\n')
    assert "all of them are excluded" in check("engine.py", cwd=project).stderr


def test_no_password_is_printed(project: Path) -> None:
    (project / "engine.py").write_text(SECRET)
    for options in ([], ["--diff", "--unsafe-fixes"], ["--format", "json"], ["--format", "sarif"]):
        done = check(*options, cwd=project)
        assert done.returncode == 1
        assert "hunter" not in done.stdout + done.stderr


def test_a_new_project_has_nothing_wrong(tmp_path: Path) -> None:
    colonnade("new", "tracker", cwd=tmp_path)
    project = tmp_path / "tracker"
    done = colonnade("check", "--no-cache", cwd=project)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    done = colonnade("check", "--models", "app.models", cwd=project)
    assert done.returncode == 0, done.stdout
    assert not (project / ".colonnade_cache").exists()


MODELS = """
from sqlmodel import Field, SQLModel

class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    worker_id: int | None = Field(default=None, foreign_key="worker.id")
"""


def test_tables_of_a_module_and_of_a_database_are_reviewed(
    tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "models.py").write_text(MODELS.replace("worker_id: int", "worker_id: str"))
    done = colonnade("check", "--models", "models", "--format", "concise", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        "models.py:7:7: CLN501 `task` has no index for the foreign key `worker_id`" in done.stdout
    )
    assert "Found 2 mistakes in the tables of models." in done.stdout
    done = colonnade(
        "check", "--models", "models", "--database-url", database_url, "--format", "concise",
        "--select", "CLN510", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1
    assert "CLN510 The database lacks the table worker" in done.stdout
    assert "CLN501" not in done.stdout
    (tmp_path / "models.py").write_text(MODELS)
    done = colonnade("check", "--models", "models", "--format", "concise", cwd=tmp_path)
    assert "CLN505 `worker_id` is INTEGER, and `worker.id`, which it refers to, text" in done.stdout


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


def test_a_model_that_cannot_be_mapped_does_not_hide_what_is_wrong_with_the_others(
    tmp_path: Path,
) -> None:
    (tmp_path / "models.py").write_text(UNMAPPED)
    done = colonnade(
        "check", "--models", "models", "--format", "concise", "--ignore", "CLN508", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (1, "")
    first, second, *others, _ = done.stdout.splitlines()
    assert first.startswith("models.py:4:7: CLN513 `Project` cannot be mapped: When initializing")
    assert "'Tusk'" in first
    assert second.startswith("models.py:8:7: CLN513 `Worker` cannot be mapped: ")
    assert [line.split()[1] for line in others] == ["CLN503", "CLN501", "CLN504"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (None, "cannot be imported: ModuleNotFoundError"),
        ("1 / 0", "models cannot be imported: ZeroDivisionError"),
        ("x = 1", "models has no tables"),
    ],
)
def test_modules_that_cannot_be_reviewed(tmp_path: Path, code: str | None, message: str) -> None:
    if code is not None:
        (tmp_path / "models.py").write_text(code)
    done = colonnade("check", "--models", "models", cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
