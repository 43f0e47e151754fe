"""The migration commands on the demo: change the models, migrate, upgrade and downgrade."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from colonnade import Database
from colonnade.templates import lay_out
from tests.cli.running import run_module
from tests.servers import packaged_postgresql, reset_sigint

CHANGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ('"completed", "cancelled"]', '"completed", "cancelled", "on hold"]', ()),
    ("Field(default=0, ge=0, le=100)", "Field(default=0, ge=0, le=1000)", ()),
    ("    description: str | None = None\n    status", "    summary: str | None = None\n    status",
     ("--rename", "task.description:summary")),
    ('    priority: Priority = "medium"\n', '    priority: Priority = "medium"\n    owner: str\n',
     ("--fill", "task.owner=nobody")),
    ('priority: Priority = "medium"', 'priority: Priority = Field(default="medium", index=True)',
     ()),
)  # fmt: skip
ROWS = "SELECT id, title, status, priority, progress_percent FROM task ORDER BY id"


def run(project: Path, url: str, *arguments: str, code: int = 0) -> str:
    completed = run_module(*arguments, cwd=project, DATABASE_URL=url)
    assert completed.returncode == code, completed.stdout + completed.stderr
    return completed.stdout + completed.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/tasks.db"
    database_url: str = request.getfixturevalue("postgresql_database")
    return database_url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    lay_out(tmp_path / "tasks", "tasks", example="tasks")
    return tmp_path / "tasks"


@pytest.mark.slow
def test_changed_models_are_migrated_in_both_directions_with_their_rows(
    project: Path, url: str
) -> None:
    run(project, url, "colonnade", "upgrade")
    run(project, url, "app.sample")
    database = Database(url)

    def rows() -> list[object]:
        with database.engine.connect() as connection:
            return list(connection.exec_driver_sql(ROWS))

    before = rows()
    assert len(before) == 332
    models = project / "app" / "models.py"
    for number, (old, new, options) in enumerate(CHANGES, 1):
        source = models.read_text()
        assert old in source
        models.write_text(source.replace(old, new))
        run(project, url, "colonnade", "migrate", *options)
        assert len(list((project / "migrations" / "versions").glob("*.py"))) == number + 1
    assert "No changes" in run(project, url, "colonnade", "migrate")
    run(project, url, "colonnade", "upgrade", "+1")
    assert "4 behind" in run(project, url, "colonnade", "current")
    run(project, url, "colonnade", "upgrade")
    assert "agree" in run(project, url, "colonnade", "drift")
    assert rows() == before
    refused = run(project, url, "colonnade", "downgrade", "-5", code=1)
    assert "loses-data:task.owner" in refused
    run(project, url, "colonnade", "downgrade", "-5", "--allow", "loses-data:task.owner")
    assert rows() == before
    run(project, url, "colonnade", "upgrade")
    assert rows() == before
    assert "agree" in run(project, url, "colonnade", "drift")
    assert run(project, url, "colonnade", "history").count("✓") == 6
    database.dispose()


def stop_upgrade(project: Path, url: str, stop_signal: signal.Signals) -> tuple[int, str]:
    """Stop an upgrade after three batches; its exit code and output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "colonnade", "upgrade"], cwd=project, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "DATABASE_URL": url, "SLOW": "0.3", "COLUMNS": "200"},
        preexec_fn=reset_sigint,  # noqa: PLW1509 - no other thread runs here
    )  # fmt: skip
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(3)] == ["batch\n"] * 3
    time.sleep(0.05)
    process.send_signal(stop_signal)
    out, err = process.communicate(timeout=60)
    return process.returncode, out + err


@pytest.mark.slow
def test_an_interrupted_or_killed_upgrade_can_be_run_again(project: Path, url: str) -> None:
    run(project, url, "colonnade", "upgrade")
    run(project, url, "app.sample")
    run(project, url, "colonnade", "migrate", "--empty", "-m", "slow")
    (revision,) = (project / "migrations" / "versions").glob("*slow*.py")
    source = revision.read_text()
    revision.write_text(
        source.partition("def upgrade")[0]
        + "import os, time\nimport sqlalchemy as sa\nfrom alembic import op\n"
        "from colonnade.migrations import steps\n\n\n"
        "def upgrade():\n"
        '    op.add_column("label", sa.Column("seen", sa.Integer()))\n'
        '    steps.for_each_batch("task", slowly, batch=50)\n\n\n'
        "def slowly(connection, rows):\n"
        '    print("batch", flush=True)\n'
        "    for row in rows:\n"
        "        connection.execute(sa.text(\n"
        "            \"UPDATE task SET title = title || '!' WHERE id = :id\"), {'id': row['id']})\n"
        '    seconds = float(os.environ.get("SLOW", "0"))\n'
        '    if connection.dialect.name == "postgresql":  # interrupted inside a statement\n'
        '        connection.execute(sa.text(f"SELECT pg_sleep({seconds})"))\n'
        "    else:\n"
        "        time.sleep(seconds)\n\n\n"
        "def downgrade():\n"
        '    op.drop_column("label", "seen")\n'
    )
    stopped, output = stop_upgrade(project, url, signal.SIGINT)
    assert stopped == 1
    left = (
        "The revision was rolled back"
        if url.startswith("sqlite")
        else "1 of 2 steps are done and stay"
    )
    assert output.startswith("error: Interrupted. ")
    assert left in output
    stop_upgrade(project, url, signal.SIGKILL)
    if url.startswith("postgresql"):  # on SQLite a revision is one transaction
        for command in ("current", "history"):
            output = run(project, url, "colonnade", command)
            assert (
                "`colonnade upgrade` to finish it, or `colonnade downgrade` to revert it" in output
            )
        assert "is unfinished" in run(project, url, "colonnade", "doctor")
    run(project, url, "colonnade", "upgrade")
    database = Database(url)
    with database.engine.connect() as connection:
        query = "SELECT count(*) FROM task WHERE title LIKE :like"
        completed = connection.execute(text(query), {"like": "%!"})
        twice = connection.execute(text(query), {"like": "%!!"})
        assert (completed.scalar_one(), twice.scalar_one()) == (332, 0)
    database.dispose()
    assert "agree" not in run(project, url, "colonnade", "drift", code=1)  # label.seen


@pytest.mark.slow
def test_an_existing_database_is_adopted(project: Path, url: str, tmp_path: Path) -> None:
    run(project, url, "colonnade", "upgrade")
    database = Database(url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    shop = tmp_path / "shop"
    shop.mkdir()
    output = run(shop, url, "colonnade", "adopt", "-o", "shop/models.py", "--database-url", url)
    assert "Taskassignment" in output
    (shop / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "shop.models"\n')
    assert "agree" in run(shop, url, "colonnade", "drift")  # the database of DATABASE_URL
    again = run(shop, url, "colonnade", "adopt", "-o", "shop/models.py", code=1)
    assert "already exists, and adopt does not overwrite files" in again
    database.dispose()


@pytest.mark.slow
def test_a_baseline_is_written_and_its_setting_printed(
    project: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = packaged_postgresql()
    if programs is not None:  # pg_dump of the same version as the server
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    run(project, url, "colonnade", "upgrade")
    output = run(project, url, "colonnade", "baseline")
    (snapshot,) = (project / "migrations" / "versions" / "baseline").iterdir()
    assert str(snapshot.relative_to(project)) in output
    assert f'baseline = "{snapshot.name.partition(".")[0]}"' in output


@pytest.mark.slow
def test_a_project_without_an_app_or_models_is_told_what_to_configure(tmp_path: Path) -> None:
    output = run(tmp_path, "sqlite:///x.db", "colonnade", "migrate", code=1)
    assert 'app = "app.main:app"' in output


@pytest.mark.slow
def test_migrate_asks_about_a_rename_on_a_terminal(project: Path) -> None:
    models = project / "app" / "models.py"
    source = models.read_text()
    models.write_text(
        source.replace("    name: str = Field(max_length=40", "    word: str = Field(max_length=40")
    )
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "colonnade", "migrate"], cwd=project,
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    os.write(master, b"1\n")  # renamed to word
    assert process.wait(timeout=60) == 0
    os.close(master)
    (revision,) = (project / "migrations" / "versions").glob("*rename*.py")
    assert 'steps.rename_column("label", "name", "word")' in revision.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_person_at_a_terminal_types_the_code_of_a_plan(project: Path, url: str) -> None:
    run(project, url, "colonnade", "upgrade")
    run(project, url, "app.sample")
    settings = project / "pyproject.toml"
    table = "[tool.colonnade]\n"
    settings.write_text(settings.read_text().replace(table, f"{table}confirm = true\n"))
    command = ("downgrade", "base", "--allow", "loses-data")
    assert "--confirm CODE" in run(project, url, "colonnade", *command, code=1)
    for answer, code in (("no", 1), ("", 0)):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "colonnade", *command], cwd=project,
            stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "DATABASE_URL": url, "COLUMNS": "200"},
        )  # fmt: skip
        os.close(slave)
        output = ""
        while "to run it" not in output:
            output += os.read(master, 1000).decode()
        assert "loses-data:task: " in output
        shown = output.partition("Type ")[2].split()[0]
        os.write(master, f"{answer or shown}\n".encode())
        assert process.wait(timeout=60) == code
        os.close(master)
    assert "no revision" in run(project, url, "colonnade", "current")


MODEL = """
from colonnade import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    color: str | None = None
"""


@pytest.mark.slow
def test_the_plan_in_the_documentation_is_what_is_printed(tmp_path: Path) -> None:
    page = Path(__file__).parents[2].joinpath("docs/migrations.md").read_text()
    shown = re.search(r"^```text\n(sqlite:///shop.db: 1 revision\n.*?)^```", page, re.M | re.S)
    assert shown is not None
    (tmp_path / "shop.py").write_text(MODEL)
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "shop"\nconfirm = true\n')
    url = "sqlite:///shop.db"
    run(tmp_path, url, "colonnade", "migrate")
    run(tmp_path, url, "colonnade", "upgrade")
    with Database(f"sqlite:///{tmp_path}/shop.db").engine.begin() as connection:
        colors = [{"color": "red"}] * 332
        connection.execute(text("INSERT INTO task (color) VALUES (:color)"), colors)
    (tmp_path / "shop.py").write_text(MODEL.replace("    color: str | None = None\n", ""))
    message = ("-m", "tasks have no color")
    run(tmp_path, url, "colonnade", "migrate", "--drop", "task.color", *message)
    printed = run(tmp_path, url, "colonnade", "upgrade", "--plan")
    (code,) = re.findall(r"--confirm (\w+)", printed)
    assert _without_codes(printed) == _without_codes(shown[1])
    run(tmp_path, url, "colonnade", "upgrade", "--allow", "loses-data", "--confirm", code)


def _without_codes(text: str) -> str:
    """The text without the id of the revision and the code, which depend on the time."""
    return re.sub(r"\b[0-9a-f]{12}\b|(?<=--confirm )\w+", "...", text)
