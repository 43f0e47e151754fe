"""A history that an empty database cannot run is replayed from a snapshot of its tables."""

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
from tests.migrations.test_files import first, second
from tests.servers import packaged_postgresql


@pytest.fixture
def begun(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> str:
    """A history whose second revision needs a row; the id of that revision, which has been run."""
    programs = packaged_postgresql()
    if programs is not None:  # pg_dump of the server's own version
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    lab.change(first)
    lab.run("INSERT INTO task (title) VALUES ('first')")
    revision = lab.write('op.get_bind().execute(sa.text("SELECT title FROM task")).one()')
    lab.upgrade(guarded=False)
    return revision


def use_baseline(lab: Lab, revision: str) -> None:
    lab.history = History(Project(lab.root, baseline=revision))
    lab.history.config.attributes["metadata"] = SQLModel.metadata


def test_a_history_that_needs_rows_is_replayed_from_its_baseline(lab: Lab, begun: str) -> None:
    lab.models(second)
    with pytest.raises(MigrationError, match=f"Revision {begun} fails: NoResultFound"):
        lab.migrate()
    revision, path = write_baseline(lab.history, lab.db)
    assert revision == begun
    assert path == lab.history.folder / "baseline" / f"{begun}.{lab.db.url.backend}.sql"
    assert "alembic_version" not in path.read_text()
    use_baseline(lab, begun)
    lab.migrate()
    assert lab.drift() == ["The database is 1 revision behind: colonnade upgrade"]
    lab.upgrade()
    assert lab.drift() == []
    assert lab.rows("SELECT title, done FROM task") == [("first", False)]
    check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_dump_changes_no_condition(lab: Lab, begun: str) -> None:
    def models() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str
            status: Literal["it's", "a, b"] | None = None

    lab.models(models)
    use_baseline(lab, begun)
    write_baseline(lab.history, lab.db)
    lab.migrate()
    lab.upgrade()
    later, _ = write_baseline(lab.history, lab.db)
    use_baseline(lab, later)
    assert lab.drift() == []


def test_virtual_tables_and_triggers_of_sqlite_are_in_a_snapshot(lab: Lab, begun: str) -> None:
    if lab.db.url.backend != "sqlite":
        pytest.skip("pg_dump knows its own objects")
    lab.run(
        "CREATE VIRTUAL TABLE words USING fts5(title)",
        "CREATE VIEW titles AS SELECT title FROM task",
        "CREATE TRIGGER note AFTER INSERT ON task BEGIN INSERT INTO words VALUES (new.title); END",
    )
    _, path = write_baseline(lab.history, lab.db)
    assert "words_data" not in path.read_text()  # which the virtual table makes itself
    with closing(sqlite3.connect(":memory:")) as copy:
        copy.executescript(path.read_text())
        copy.execute("INSERT INTO task (title) VALUES ('second')")
        assert copy.execute("SELECT title FROM titles").fetchall() == [("second",)]
        assert copy.execute("SELECT title FROM words").fetchall() == [("second",)]


def test_a_test_database_begins_at_the_baseline(
    lab: Lab, begun: str, request: pytest.FixtureRequest
) -> None:
    write_baseline(lab.history, lab.db)
    empty = f"sqlite:///{lab.root}/empty.db"
    if lab.db.url.backend == "postgresql":
        empty = request.getfixturevalue("postgresql_database")
    make_schema(Project(lab.root, models="tests.migrations.lab", baseline=begun), empty)
    database = Database(empty)
    assert sorted(inspect(database.engine).get_table_names()) == ["alembic_version", "task"]
    database.dispose()


def test_enum_types_of_a_baseline_are_known(lab: Lab, begun: str) -> None:
    if lab.db.url.backend == "sqlite":
        pytest.skip("SQLite has no enum types")
    lab.run("CREATE TYPE level AS ENUM ('low', 'high')", "CREATE SCHEMA apart")
    write_baseline(lab.history, lab.db)
    use_baseline(lab, begun)

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


def test_a_baseline_without_a_snapshot_or_revision_is_an_error(lab: Lab, begun: str) -> None:
    lab.models(second)
    use_baseline(lab, begun)
    with pytest.raises(MigrationError, match=f"There is no .*{begun}.*sql.*colonnade baseline"):
        lab.migrate()
    use_baseline(lab, "0000")
    with pytest.raises(MigrationError, match="baseline names 0000, which is not a revision in"):
        lab.migrate()


def test_a_snapshot_that_cannot_be_loaded_is_named(lab: Lab, begun: str) -> None:
    _, path = write_baseline(lab.history, lab.db)
    path.write_text("CREATE TABEL task (id int);")
    use_baseline(lab, begun)
    lab.models(second)
    with pytest.raises(MigrationError, match=r"\.sql cannot be loaded: .*TABEL"):
        lab.migrate()


def test_a_database_at_no_revision_has_no_baseline(lab: Lab) -> None:
    lab.models(first)
    lab.migrate()
    with pytest.raises(MigrationError, match=r"is at no revision\. A baseline needs"):
        write_baseline(lab.history, lab.db)
