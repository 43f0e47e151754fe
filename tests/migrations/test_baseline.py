"""A history that cannot run in an empty database is replayed from a snapshot of its schema."""

import os
import sqlite3
from contextlib import closing
from typing import Literal

import pytest
import sqlalchemy as sa
from sqlalchemy import inspect

from colonnade import Database, Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.migrations import History, check, write_baseline
from colonnade.project import Project
from colonnade.testing._schema import make_schema
from tests.migrations.lab import Lab
from tests.migrations.test_maintenance import first, second
from tests.servers import packaged_postgresql


@pytest.fixture
def baseline(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a history whose second revision needs a row; the id of that revision."""
    programs = packaged_postgresql()
    if programs is not None:  # pg_dump in the version of the server
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    lab.change(first)
    lab.run("INSERT INTO task (title) VALUES ('first')")
    revision = lab.write('op.get_bind().execute(sa.text("SELECT title FROM task")).one()')
    lab.upgrade(guarded=False)
    return revision


def use_baseline(lab: Lab, revision: str) -> None:
    lab.history = History(Project(lab.root, baseline=revision))
    lab.history.config.attributes["metadata"] = SQLModel.metadata


@pytest.mark.slow
def test_a_history_that_needs_rows_is_replayed_from_its_baseline(lab: Lab, baseline: str) -> None:
    lab.models(second)
    with pytest.raises(MigrationError, match=f"Revision {baseline} failed: NoResultFound"):
        lab.migrate()
    revision, path = write_baseline(lab.history, lab.db)
    assert revision == baseline
    assert path == lab.history.folder / "baseline" / f"{baseline}.{lab.db.url.backend}.sql"
    assert "alembic_version" not in path.read_text()
    use_baseline(lab, baseline)
    lab.migrate()
    assert lab.drift() == ["The database is 1 revision behind. Run `colonnade upgrade`."]
    lab.upgrade()
    assert lab.drift() == []
    assert lab.rows("SELECT title, done FROM task") == [("first", False)]
    check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_snapshot_keeps_check_conditions(lab: Lab, baseline: str) -> None:
    def models() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str
            status: Literal["it's", "a, b"] | None = None

    lab.models(models)
    use_baseline(lab, baseline)
    write_baseline(lab.history, lab.db)
    lab.migrate()
    lab.upgrade()
    later, _ = write_baseline(lab.history, lab.db)
    use_baseline(lab, later)
    assert lab.drift() == []


def test_a_snapshot_of_sqlite_has_virtual_tables_and_triggers(lab: Lab, baseline: str) -> None:
    if lab.db.url.backend != "sqlite":
        pytest.skip("pg_dump knows its own objects")
    lab.run(
        "CREATE VIRTUAL TABLE words USING fts5(title)",
        "CREATE VIEW titles AS SELECT title FROM task",
        "CREATE TRIGGER note AFTER INSERT ON task BEGIN INSERT INTO words VALUES (new.title); END",
    )
    _, path = write_baseline(lab.history, lab.db)
    assert "words_data" not in path.read_text()  # the virtual table creates it
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.executescript(path.read_text())
        copy.execute("INSERT INTO task (title) VALUES ('second')")
        assert copy.execute("SELECT title FROM titles").fetchall() == [("second",)]
        assert copy.execute("SELECT title FROM words").fetchall() == [("second",)]


def test_a_test_database_starts_at_the_baseline(
    lab: Lab, baseline: str, request: pytest.FixtureRequest
) -> None:
    write_baseline(lab.history, lab.db)
    empty = f"sqlite:///{lab.root}/empty.db"
    if lab.db.url.backend == "postgresql":
        empty = request.getfixturevalue("postgresql_database")
    make_schema(Project(lab.root, models="tests.migrations.lab", baseline=baseline), empty)
    database = Database(empty)
    assert sorted(inspect(database.engine).get_table_names()) == ["alembic_version", "task"]
    database.dispose()


def test_the_enum_types_of_a_baseline_are_known(lab: Lab, baseline: str) -> None:
    if lab.db.url.backend == "sqlite":
        pytest.skip("SQLite has no enum types")
    lab.run("CREATE TYPE level AS ENUM ('low', 'high')", "CREATE SCHEMA apart")
    write_baseline(lab.history, lab.db)
    use_baseline(lab, baseline)

    def third() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str
            level: str | None = Field(
                default=None,
                sa_type=sa.Enum("low", "high", name="level"),
            )

    text = lab.change(third)
    assert "create_enum" not in text


def test_a_baseline_without_a_snapshot_or_revision_is_an_error(lab: Lab, baseline: str) -> None:
    lab.models(second)
    use_baseline(lab, baseline)
    with pytest.raises(
        MigrationError, match=f"{baseline}.*sql, the snapshot .* does not exist.*colonnade baseline"
    ):
        lab.migrate()
    use_baseline(lab, "0000")
    with pytest.raises(MigrationError, match="baseline names 0000, which is not a revision in"):
        lab.migrate()


def test_an_error_names_a_snapshot_that_cannot_be_loaded(lab: Lab, baseline: str) -> None:
    _, path = write_baseline(lab.history, lab.db)
    path.write_text("CREATE TABEL task (id int);")
    use_baseline(lab, baseline)
    lab.models(second)
    with pytest.raises(MigrationError, match=r"\.sql cannot be loaded: .*TABEL"):
        lab.migrate()


def test_a_database_at_no_revision_has_no_baseline(lab: Lab) -> None:
    lab.models(first)
    lab.migrate()
    with pytest.raises(MigrationError, match=r"is at no revision\. A baseline needs"):
        write_baseline(lab.history, lab.db)
