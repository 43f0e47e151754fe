"""Squash, stamp and eject a history, and preview its SQL."""

import subprocess
import sys
from pathlib import Path

import pytest

from colonnade import Database, Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.migrations import by_dialect, current_revision, preview_sql, squash, stamp
from tests.migrations.lab import Lab
from tests.servers import url_of


def first() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str


def second() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=50, index=True)
        done: bool = False


@pytest.mark.slow
def test_a_squashed_history_creates_the_same_tables_and_keeps_databases_up_to_date(
    lab: Lab,
) -> None:
    lab.change(first)
    lab.change(second)
    lab.write('op.execute("UPDATE task SET done = true")')
    lab.upgrade(allow=frozenset({"cannot-undo"}))
    with pytest.raises(MigrationError, match=r"UPDATE task SET done.*--force"):
        squash(lab.history, lab.db.url, SQLModel.metadata)
    written = squash(lab.history, lab.db.url, SQLModel.metadata, "all", force=True)
    assert [revision.revision for revision in lab.history.revisions] == [written.revision]
    assert list(lab.history.folder.glob("*")) == [written.path] or (
        {path.name for path in lab.history.folder.iterdir()} == {written.path.name, "__pycache__"}
    )
    assert lab.upgrade() == []
    assert lab.drift() == []


def test_a_failed_squash_keeps_the_history(lab: Lab) -> None:
    lab.change(first)
    lab.change(second)
    lab.models(first)
    with pytest.raises(MigrationError, match="models are ahead"):
        squash(lab.history, lab.db.url, SQLModel.metadata)
    assert len(lab.history.revisions) == 2


def test_stamp_records_the_revision_of_a_database(lab: Lab) -> None:
    lab.models(first)
    written = lab.migrate()
    lab.db.create_all()
    stamp(lab.history, lab.db, "head")
    assert current_revision(lab.history, lab.db) == ((written.revision,), 0)
    assert lab.drift() == []
    with pytest.raises(MigrationError, match="revision nonsense does not exist"):
        stamp(lab.history, lab.db, "nonsense")


def test_previewing_the_sql_does_not_run_it(lab: Lab) -> None:
    lab.change(first)
    lab.models(second)
    lab.migrate()
    sql = preview_sql(lab.history, lab.db)
    assert "done" in sql
    assert "UPDATE alembic_version" in sql
    assert current_revision(lab.history, lab.db)[1] == 1
    if lab.db.url.backend == "postgresql":
        assert "CREATE INDEX CONCURRENTLY ix_task_title" in sql
        assert "NOT VALID" in sql
        lab.run("DROP TABLE IF EXISTS other")
        for statement in sql.split(";"):
            if statement.strip() and not statement.strip().startswith(("BEGIN", "COMMIT")):
                with lab.db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as c:
                    c.exec_driver_sql(statement.replace("%", "%%"))
        assert lab.drift() == []


def test_a_condition_has_sql_for_each_database() -> None:
    from sqlalchemy.dialects import postgresql, sqlite

    condition = by_dialect(sqlite="json_array_length(a) > 1", postgresql="a > 1")
    assert str(condition.compile(dialect=sqlite.dialect())) == "json_array_length(a) > 1"
    assert str(condition.compile(dialect=postgresql.dialect())) == "a > 1"  # type: ignore[no-untyped-call]  # SQLAlchemy's


MODELS = """
from colonnade import Database, Field, SQLModel

class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=50)

db = Database({url!r})
"""


def project(directory: Path, url: str) -> Path:
    (directory / "pyproject.toml").write_text('[tool.colonnade]\nmodels = "tables"\n'
                                              'database = "tables:db"\n')  # fmt: skip
    (directory / "tables.py").write_text(MODELS.format(url=url))
    return directory


def run(directory: Path, *command: str) -> str:
    process = subprocess.run(
        [sys.executable, "-m", *command], cwd=directory, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


@pytest.mark.slow
def test_alembic_commands_work_on_ejected_files(tmp_path: Path, db: Database) -> None:
    if db.url.memory:
        pytest.skip("a database in memory belongs to one process")
    url = url_of(db)
    project(tmp_path, url)
    run(tmp_path, "colonnade", "migrate", "-m", "first")
    run(tmp_path, "colonnade", "migrate", "--eject")
    run(tmp_path, "alembic", "upgrade", "head")
    assert "first" in run(tmp_path, "alembic", "history")
    (tmp_path / "tables.py").write_text(
        MODELS.format(url=url).replace("max_length=50", "max_length=60")
    )
    run(tmp_path, "alembic", "revision", "--autogenerate", "-m", "second")
    run(tmp_path, "alembic", "upgrade", "head")
    run(tmp_path, "alembic", "check")
    assert "agree" in run(tmp_path, "colonnade", "drift")
    (tmp_path / "tables.py").write_text(
        MODELS.format(url=url).replace("max_length=50", "max_length=70")
    )
    run(tmp_path, "colonnade", "migrate")
    run(tmp_path, "colonnade", "upgrade")
    assert "agree" in run(tmp_path, "colonnade", "drift")


@pytest.mark.slow
@pytest.mark.parametrize("example", [None, "tasks"])
def test_the_history_of_a_project_template_is_up_to_date(
    example: str | None, tmp_path: Path
) -> None:
    """`colonnade migrate` writes the same revision again."""
    from colonnade.templates import lay_out

    lay_out(tmp_path / "project", "tasks", example=example)
    (committed,) = (tmp_path / "project/migrations/versions").glob("*.py")
    body = committed.read_text().partition("def upgrade")[2]
    committed.unlink()
    run(tmp_path / "project", "colonnade", "migrate", "-m", "first")
    (written,) = (tmp_path / "project/migrations/versions").glob("*.py")
    assert written.read_text().partition("def upgrade")[2] == body
