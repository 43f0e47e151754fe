"""``checked_lifespan``: an app starts only when its tables are those of its migrations."""

import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from colonnade import Database, Field, SQLModel, text
from colonnade.errors import MigrationError
from colonnade.migrations import checked_lifespan
from tests.cli.running import colonnade


@pytest.fixture
def project(tmp_path: Path, database_url: str) -> Path:
    """A new project, whose database has no tables."""
    completed = colonnade("new", "tracker", cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr
    if database_url == "sqlite://":
        pytest.skip("a database in memory does not outlive the command that migrates it")
    (tmp_path / "tracker" / ".env").write_text(f"DATABASE_URL={database_url}\n")
    return tmp_path / "tracker"


def start_app(project: Path) -> subprocess.CompletedProcess[str]:
    """Run the app in a server that stops after its start."""
    code = (
        "import asyncio, uvicorn\n"
        "class Server(uvicorn.Server):\n"
        "    async def main_loop(self): print('started')\n"
        "server = Server(uvicorn.Config('app.main:app', port=0))\n"
        "server.run()\n"
        "raise SystemExit(0 if server.started else 3)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
    )  # fmt: skip


@pytest.mark.slow
def test_an_app_without_tables_does_not_start_and_names_the_command(project: Path) -> None:
    refused = start_app(project)
    assert refused.returncode == 3
    assert "lacks tables of the models: item. Create them: colonnade upgrade" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert colonnade("upgrade", cwd=project).returncode == 0
    started = start_app(project)
    assert (started.returncode, started.stdout) == (0, "started\n"), started.stderr


@pytest.mark.slow
def test_an_app_whose_database_cannot_be_reached_does_not_start(tmp_path: Path) -> None:
    colonnade("new", "tracker", cwd=tmp_path)
    url = "postgresql://me:secret@127.0.0.1:1/tracker?pool_timeout=0.2"
    (tmp_path / "tracker" / ".env").write_text(f"DATABASE_URL={url}\n")
    refused = start_app(tmp_path / "tracker")
    assert refused.returncode == 3
    assert "nothing listens on that port" in refused.stderr
    lines = [line for line in refused.stderr.splitlines() if line and "INFO" not in line]
    assert len(lines) == 3, refused.stderr  # "Retrying", the reason, uvicorn's "startup failed"
    assert "secret" not in refused.stderr


@pytest.mark.slow
def test_an_app_whose_database_is_behind_does_not_start(project: Path) -> None:
    assert colonnade("upgrade", cwd=project).returncode == 0
    assert colonnade("migrate", "--empty", "-m", "second", cwd=project).returncode == 0
    refused = start_app(project)
    assert refused.returncode == 3
    assert "is 1 migration behind the app. Apply them: colonnade upgrade" in refused.stderr
    assert colonnade("upgrade", cwd=project).returncode == 0
    assert start_app(project).returncode == 0


@pytest.mark.slow
def test_an_app_starts_when_the_database_has_a_newer_revision(
    project: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert colonnade("upgrade", cwd=project).returncode == 0
    database = Database(database_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'ffffffffffff'"))
    monkeypatch.chdir(project)
    with (
        caplog.at_level(logging.WARNING, "colonnade.migrations"),
        TestClient(FastAPI(lifespan=checked_lifespan(database))),
    ):
        pass
    assert "has migration ffffffffffff, which this version of the app does not have" in caplog.text


def test_later_errors_keep_their_tracebacks(project: Path, database_url: str) -> None:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    database = Database(database_url)
    app = FastAPI(lifespan=checked_lifespan(database, project))
    limit = getattr(sys, "tracebacklimit", None)
    with pytest.raises(MigrationError, match="colonnade upgrade"), TestClient(app):
        pass
    assert getattr(sys, "tracebacklimit", 1000) == (1000 if limit is None else limit)
    with pytest.raises(ZeroDivisionError) as failure:
        _ = 1 / 0
    assert "File" in "".join(traceback.format_exception(failure.value))
    database.dispose()


def test_nothing_is_checked_where_a_test_provides_the_database(project: Path, db: Database) -> None:
    app_database = Database("sqlite:///not-migrated.db")
    app = FastAPI(lifespan=checked_lifespan(app_database, project))
    with app_database.using(db.url), TestClient(app):
        pass
    assert not Path("not-migrated.db").exists()
