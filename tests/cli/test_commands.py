"""The commands ``demo``, ``new``, ``doctor`` and ``test-db``."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from colonnade import Database, __version__
from colonnade.errors import UnreachableError
from tests.cli.running import ServedApp, colonnade
from tests.servers import reset_sigint


@pytest.mark.slow
@pytest.mark.parametrize("command", ["", "demo", "serve", "new", "test-db", "doctor"])
def test_help_of_a_command_has_an_example(command: str, tmp_path: Path) -> None:
    completed = colonnade(*command.split(), "--help", cwd=tmp_path)
    assert completed.returncode == 0
    assert "Usage: colonnade" in completed.stdout
    if command:
        assert f"colonnade {command}" in completed.stdout.split("Usage:")[1].split("\n", 1)[1]


@pytest.mark.slow
def test_the_version_is_printed(tmp_path: Path) -> None:
    assert colonnade("--version", cwd=tmp_path).stdout == f"colonnade {__version__}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["bogus"], 2, "No such command"),
        (["demo", "--port", "x"], 2, "Invalid value for '--port'"),
        (["demo", "--port", "70000"], 2, "less than or equal to 65535"),
        (["new"], 2, "colonnade new NAME"),
        (["new", "a b"], 1, "'a b' is not a valid project name"),
        (["new", "class"], 1, "'class' is a Python keyword"),
        (["new", "fastapi"], 1, "'fastapi' is the name of a package that the project needs"),
        (["new", "x", "--directory", "/proc/none/x"], 1, "Cannot write /proc/none/x"),
        (["new", "x", "--model", "my book"], 1, "'my book' is not a valid model name"),
        (["new", "x", "--model", "book"], 1, "Use a class name in the singular, such as Book"),
        (["new", "x", "--model", "None"], 1, "'None' is not a valid model name"),
        (["new", "x", "--model", "Resource"], 1, "'Resource' is already used in the project"),
        (["new", "x", "--model", "B" * 41], 1, "has 41 characters"),
        (["new", "x", "--example", "shop"], 1, "Unknown example 'shop'. Examples: tasks."),
        (["new", "x", "--model", "Book", "--example", "tasks"], 1,
         "--model does not apply to --example tasks"),
        (["doctor", "mysql://u:secret@h/db"], 1, "does not support mysql:// databases"),
        (["demo", "--port", "0", "--database-url",
          "postgresql://u:secret@127.0.0.1:1/db?pool_timeout=0.2"], 1,
         "nothing listens on that port"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_without_a_traceback(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    completed = colonnade(*arguments, cwd=tmp_path)
    assert completed.returncode == code
    assert message in completed.stderr
    assert "Traceback" not in completed.stderr
    assert "secret" not in completed.stderr + completed.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_new_creates_a_project_with_a_model(tmp_path: Path) -> None:
    completed = colonnade("new", "library", "--model", "BookCopy", cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert "\n  cd library\n" in completed.stdout
    project = tmp_path / "library"
    texts = {
        str(path.relative_to(project)): path.read_text()
        for path in project.rglob("*")
        if path.is_file()
    }
    assert 'name = "library"' in texts["pyproject.toml"]
    assert "class BookCopy(Timestamps, table=True):" in texts["app/models.py"]
    assert "book_copies = Resource(BookCopy, db)" in texts["app/resources.py"]
    assert "localhost:8000/book-copies" in texts["README.md"]
    assert "sqlite:///library.db" in texts["app/settings.py"]
    assert {".gitignore", ".dockerignore", ".env.example", "Dockerfile", "compose.yaml"} <= set(
        texts
    )
    everything = "".join([*texts, *texts.values()]).lower()
    assert "{{" not in everything
    assert not re.search(r"\bitems?\b|_items?\b", everything)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["Item", "Order", "Class", "BookCopy", "B" * 40])
def test_the_first_revision_creates_the_tables_of_the_model(model: str, tmp_path: Path) -> None:
    colonnade("new", "tracker", "--model", model, cwd=tmp_path)
    drift = colonnade("drift", "--offline", "--shadow-url", "sqlite://", cwd=tmp_path / "tracker")
    assert drift.returncode == 0, drift.stdout + drift.stderr


@pytest.mark.slow
def test_new_creates_an_example(tmp_path: Path) -> None:
    completed = colonnade("new", "tracker", "--example", "tasks", cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    project = tmp_path / "tracker"
    assert 'name = "tracker"' in (project / "pyproject.toml").read_text()
    assert "{{" not in "".join(path.read_text() for path in project.rglob("*.*") if path.is_file())
    sample = subprocess.run(
        [sys.executable, "-m", "app.sample"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "332 tasks in sqlite:///tracker.db" in sample.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--database", "sqlite"], ["--database", "postgresql"], ["--database", "sqlite://"],
     ["--database", "sqlite", "--database", "postgresql", "-n", "2"]],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("example", [["--model", "Book"], ["--example", "tasks"]], ids=" ".join)
def test_the_tests_of_a_new_project_pass_on_any_database_in_any_order(
    arguments: list[str], example: list[str], tmp_path: Path
) -> None:
    colonnade("new", "tracker", *example, cwd=tmp_path)
    project = tmp_path / "tracker"
    assert not list(project.rglob("conftest.py"))
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout
    assert not (project / "tracker.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("example", [["--model", "Book"], ["--example", "tasks"]], ids=" ".join)
def test_a_new_project_passes_mypy(example: list[str], tmp_path: Path) -> None:
    colonnade("new", "tracker", *example, cwd=tmp_path)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "app", "tests"],
        cwd=tmp_path / "tracker", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
def test_new_refuses_a_directory_with_files(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    completed = colonnade("new", "taken", cwd=tmp_path)
    assert completed.returncode == 1
    assert "already exists" in completed.stderr
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_new_asks_for_the_name_on_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "colonnade", "new"],
        cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    os.write(master, b"tracker\n")
    assert process.wait(timeout=60) == 0
    os.close(master)
    assert (tmp_path / "tracker" / "app" / "models.py").exists()


@pytest.mark.slow
def test_the_demo_creates_lists_reads_patches_and_deletes_a_task(demo: ServedApp) -> None:
    status, task = demo.request("POST", "/tasks", {"title": "Try it"})
    assert (status, task["title"], task["status"]) == (201, "Try it", "pending")
    path = f"/tasks/{task['id']}"
    assert demo.request("GET", path) == (200, task)
    status, tasks = demo.request("GET", "/tasks?limit=100&offset=300")
    assert (status, tasks[-1]) == (200, task)
    status, patched = demo.request("PATCH", path, {"progress_percent": 50})
    assert (status, patched["progress_percent"], patched["title"]) == (200, 50, "Try it")
    assert demo.request("PATCH", path, {"status": "nonsense"})[0] == 422
    assert demo.request("PATCH", path, {"parent_id": task["id"]})[0] == 409
    assert demo.request("DELETE", path) == (200, {"ok": True})
    assert demo.request("GET", path)[0] == 404
    assert len(demo.request("GET", "/projects")[1]) == 5
    assert demo.request("GET", "/workers/@claude-code")[1]["type"] == "agent"
    everything = [
        row
        for page in range(4)
        for row in demo.request("GET", f"/tasks?limit=100&offset={page}00")[1]
    ]
    nested = {row["parent_id"] for row in everything} & {
        row["id"] for row in everything if row["parent_id"]
    }
    assert demo.request("GET", f"/tasks/{nested.pop()}/subtasks")[1]  # a subtask with subtasks
    schemas = demo.request("GET", "/openapi.json")[1]["components"]["schemas"]
    assert {"TaskCreateWithRelations", "TaskUpdateWithRelations", "TaskRead"} <= set(schemas)


@pytest.mark.slow
def test_doctor_reports_a_healthy_database(database_url: str, tmp_path: Path) -> None:
    completed = colonnade("doctor", database_url, cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.count("✓") == 2
    assert "round trip" in completed.stdout
    assert ("PostgreSQL 1" in completed.stdout) == database_url.startswith("postgresql")
    assert not (tmp_path / "test.db").exists()  # doctor does not create it


@pytest.mark.slow
def test_doctor_explains_each_url_parameter(tmp_path: Path) -> None:
    url = "postgresql://me:hunter2@127.0.0.1:1/db?pool_timeout=0.2&sslmode=require&channel_binding=require&password=hunter3"
    completed = colonnade("doctor", url, cwd=tmp_path)
    assert completed.returncode == 1
    assert "hunter" not in completed.stdout + completed.stderr
    assert "an SSLContext" in completed.stdout
    assert "asyncpg does not support channel binding" in completed.stdout
    assert completed.stdout.count("✗") == 2
    assert "nothing listens on that port" in completed.stdout


@pytest.mark.slow
def test_doctor_reads_database_url_from_the_environment(tmp_path: Path) -> None:
    completed = colonnade("doctor", cwd=tmp_path, DATABASE_URL="sqlite://")
    assert completed.returncode == 0
    assert "in-memory" in completed.stdout
    assert "sqlite:///FILE.db" in completed.stdout


@pytest.mark.slow
def test_doctor_checks_the_projects_database(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "shop"\n')
    (tmp_path / "shop.py").write_text(
        "from colonnade import Database\ndb = Database('sqlite:///shop.db')\n"
    )
    completed = colonnade("doctor", cwd=tmp_path, DATABASE_URL="sqlite:///other.db")
    assert completed.returncode == 0, completed.stderr
    assert "shop.db" in completed.stdout
    (tmp_path / "shop.py").write_text("")
    completed = colonnade("doctor", cwd=tmp_path, DATABASE_URL="sqlite:///other.db")
    assert "other.db" in completed.stdout


@pytest.mark.slow
def test_test_db_runs_a_command_on_a_database_with_the_projects_tables(tmp_path: Path) -> None:
    colonnade("new", "tracker", "--example", "tasks", cwd=tmp_path)
    code = (
        "from app.sample import fill; from app.database import db; "
        "print(db.url.backend, db.ping(), fill())"
    )
    command = ["test-db", "--", sys.executable, "-c", code]
    completed = colonnade(*command, cwd=tmp_path / "tracker")
    assert completed.stdout.split() == ["postgresql", "None", "332"], completed.stderr
    empty = ["test-db", "--empty", "--", sys.executable, "-c", "raise SystemExit(3)"]
    assert colonnade(*empty, cwd=tmp_path / "tracker").returncode == 3
    completed = colonnade("test-db", "--", "nowhere-to-be-found", cwd=tmp_path)
    assert (completed.returncode, completed.stderr) == (
        1,
        "error: Command not found: nowhere-to-be-found.\n",
    )


@pytest.mark.slow
def test_test_db_prints_its_url_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "colonnade", "test-db"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=reset_sigint,  # noqa: PLW1509
    ) as process:  # fmt: skip
        assert process.stdout is not None
        database = Database(process.stdout.readline().strip(), pool_timeout=2)
        database.ping()
        database.dispose()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    with pytest.raises(UnreachableError):
        database.ping()


@pytest.mark.slow
def test_test_db_reports_a_project_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\napp = "nowhere:app"\n')
    completed = colonnade("test-db", cwd=tmp_path)
    assert completed.returncode == 1
    assert "No module named 'nowhere'" in completed.stderr
