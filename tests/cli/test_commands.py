"""The commands, run as a person would run them."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from colonnade import Database, __version__
from colonnade.errors import UnreachableError
from tests.cli.running import Served, colonnade
from tests.servers import heed_interrupts


@pytest.mark.parametrize("command", ["", "demo", "serve", "new", "test-db", "doctor"])
def test_help_teaches(command: str, tmp_path: Path) -> None:
    done = colonnade(*command.split(), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Usage: colonnade" in done.stdout
    if command:
        assert f"colonnade {command}" in done.stdout.split("Usage:")[1].split("\n", 1)[1]


def test_every_command_is_in_the_documentation(tmp_path: Path) -> None:
    from colonnade.cli._app import app

    page = Path(__file__).parents[2].joinpath("docs", "commands.md").read_text()
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"## colonnade {command.name or command.callback.__name__}" in page


def test_version(tmp_path: Path) -> None:
    assert colonnade("--version", cwd=tmp_path).stdout == f"colonnade {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["bogus"], 2, "No such command"),
        (["demo", "--port", "x"], 2, "Invalid value for '--port'"),
        (["demo", "--port", "70000"], 2, "less than or equal to 65535"),
        (["new"], 2, "colonnade new NAME"),
        (["new", "a b"], 1, "'a b' is not a project name"),
        (["new", "x", "--directory", "/proc/none/x"], 1, "Cannot write /proc/none/x"),
        (["doctor", "mysql://u:secret@h/db"], 1, "does not support mysql:// databases"),
        (["demo", "--port", "0", "--database-url",
          "postgresql://u:secret@127.0.0.1:1/db?pool_timeout=0.2"], 1,
         "nothing listens on that port"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_line(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = colonnade(*arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_new_lays_out_a_project(tmp_path: Path) -> None:
    done = colonnade("new", "tracker", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "cd tracker" in done.stdout
    project = tmp_path / "tracker"
    assert 'name = "tracker"' in (project / "pyproject.toml").read_text()
    assert (project / ".gitignore").exists()
    assert "{{" not in "".join(path.read_text() for path in project.rglob("*.*") if path.is_file())
    sample = subprocess.run(
        [sys.executable, "-m", "app.sample"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "332 tasks in sqlite:///tasks.db" in sample.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--database", "sqlite"], ["--database", "postgresql"], ["--database", "sqlite://"],
     ["--database", "sqlite", "--database", "postgresql", "-n", "2"]],
    ids=" ".join,
)  # fmt: skip
def test_the_tests_of_a_new_project_pass_on_any_database_in_any_order(
    arguments: list[str], tmp_path: Path
) -> None:
    colonnade("new", "tracker", cwd=tmp_path)
    project = tmp_path / "tracker"
    there = sorted(path.name for path in (project / "tests").iterdir())
    assert there == ["test_migrations.py", "test_tasks.py"]  # and no conftest.py
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout
    assert not (project / "tasks.db").exists()


def test_the_template_is_typed_and_clean(tmp_path: Path) -> None:
    colonnade("new", "tracker", cwd=tmp_path)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "app", "tests"],
        cwd=tmp_path / "tracker", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_new_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    done = colonnade("new", "taken", cwd=tmp_path)
    assert done.returncode == 1
    assert "already exists" in done.stderr
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine.txt"]


def test_new_asks_on_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "colonnade", "new"],
        cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    os.write(master, b"asked\n")
    assert process.wait(timeout=60) == 0
    os.close(master)
    assert (tmp_path / "asked" / "app" / "models.py").exists()


def test_the_demo_creates_lists_reads_patches_and_deletes_a_task(demo: Served) -> None:
    status, task = demo("POST", "/tasks", {"title": "Try it"})
    assert (status, task["title"], task["status"]) == (201, "Try it", "pending")
    path = f"/tasks/{task['id']}"
    assert demo("GET", path) == (200, task)
    status, tasks = demo("GET", "/tasks?limit=100&offset=300")
    assert (status, tasks[-1]) == (200, task)
    status, patched = demo("PATCH", path, {"progress_percent": 50})
    assert (status, patched["progress_percent"], patched["title"]) == (200, 50, "Try it")
    assert demo("PATCH", path, {"status": "nonsense"})[0] == 422
    assert demo("PATCH", path, {"parent_id": task["id"]})[0] == 409
    assert demo("DELETE", path) == (200, {"ok": True})
    assert demo("GET", path)[0] == 404
    assert len(demo("GET", "/projects")[1]) == 5
    assert demo("GET", "/workers/@claude-code")[1]["type"] == "agent"
    everything = [
        row for page in range(4) for row in demo("GET", f"/tasks?limit=100&offset={page}00")[1]
    ]
    nested = {row["parent_id"] for row in everything} & {
        row["id"] for row in everything if row["parent_id"]
    }
    assert demo("GET", f"/tasks/{nested.pop()}/subtasks")[1]  # below a task that is below one
    schemas = demo("GET", "/openapi.json")[1]["components"]["schemas"]
    assert {"TaskCreate", "TaskUpdate", "TaskRead"} <= set(schemas)


def test_doctor_on_a_healthy_database(database_url: str, tmp_path: Path) -> None:
    done = colonnade("doctor", database_url, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("✓") == 2
    assert "round trip" in done.stdout
    assert ("PostgreSQL 1" in done.stdout) == database_url.startswith("postgresql")
    assert not (tmp_path / "test.db").exists()  # to look is not to make


def test_doctor_tells_where_each_parameter_goes_and_why_one_is_dropped(tmp_path: Path) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/db?pool_timeout=0.2&sslmode=require&channel_binding=require&password=hunter3"
    done = colonnade("doctor", url, cwd=tmp_path)
    assert done.returncode == 1
    assert "hunter" not in done.stdout + done.stderr
    assert "an SSLContext" in done.stdout
    assert "asyncpg does not support channel binding" in done.stdout
    assert done.stdout.count("✗") == 2
    assert "nothing listens on that port" in done.stdout


def test_doctor_reads_the_environment(tmp_path: Path) -> None:
    done = colonnade("doctor", cwd=tmp_path, DATABASE_URL="sqlite://")
    assert done.returncode == 0
    assert "in-memory" in done.stdout
    assert "sqlite:///FILE.db" in done.stdout


def test_doctor_looks_at_the_projects_database(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "shop"\n')
    (tmp_path / "shop.py").write_text(
        "from colonnade import Database\ndb = Database('sqlite:///shop.db')\n"
    )
    done = colonnade("doctor", cwd=tmp_path, DATABASE_URL="sqlite:///other.db")
    assert done.returncode == 0, done.stderr
    assert "shop.db" in done.stdout
    (tmp_path / "shop.py").write_text("")
    done = colonnade("doctor", cwd=tmp_path, DATABASE_URL="sqlite:///other.db")
    assert "other.db" in done.stdout


def test_test_db_runs_a_command_on_a_database_with_the_projects_tables(tmp_path: Path) -> None:
    colonnade("new", "tracker", cwd=tmp_path)
    code = (
        "from app.sample import fill; from app.database import db; "
        "print(db.url.backend, db.ping(), fill())"
    )
    command = ["test-db", "--", sys.executable, "-c", code]
    done = colonnade(*command, cwd=tmp_path / "tracker")
    assert done.stdout.split() == ["postgresql", "None", "332"], done.stderr
    empty = ["test-db", "--empty", "--", sys.executable, "-c", "raise SystemExit(3)"]
    assert colonnade(*empty, cwd=tmp_path / "tracker").returncode == 3
    done = colonnade("test-db", "--", "nowhere-to-be-found", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "error: Command not found: nowhere-to-be-found.\n",
    )


def test_test_db_prints_its_url_and_stops_when_it_is_told(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "colonnade", "test-db"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509
    ) as process:  # fmt: skip
        assert process.stdout is not None
        database = Database(process.stdout.readline().strip(), pool_timeout=2)
        database.ping()
        database.dispose()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    with pytest.raises(UnreachableError):
        database.ping()


def test_test_db_needs_a_project_that_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\napp = "nowhere:app"\n')
    done = colonnade("test-db", cwd=tmp_path)
    assert done.returncode == 1
    assert "No module named 'nowhere'" in done.stderr
