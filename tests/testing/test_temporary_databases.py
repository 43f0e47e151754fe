"""Databases are made as they were: rows, seeds, sequences, schema; whoever wrote, and how."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from colonnade import Database
from colonnade.database import with_database
from colonnade.errors import FixtureError
from colonnade.testing import Run
from colonnade.testing._postgresql import LARGE, PostgreSQLBackend
from colonnade.testing._temporary_databases import Settled, TemporaryDatabase

SQLITE = """
CREATE TABLE task (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL UNIQUE,
                   parent_id INTEGER REFERENCES task(id));
CREATE TABLE label (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE note (id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL REFERENCES task(id));
INSERT INTO label (name) VALUES ('seed')
"""
POSTGRESQL = """
CREATE TABLE task (id SERIAL PRIMARY KEY, title TEXT NOT NULL UNIQUE,
                   parent_id INTEGER REFERENCES task(id) ON DELETE RESTRICT);
CREATE SCHEMA "Other";
CREATE TABLE "Other"."It's" (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
CREATE TABLE label (id SERIAL PRIMARY KEY, name TEXT,
                    twice TEXT GENERATED ALWAYS AS (name || name) STORED);
CREATE TABLE note (id SERIAL PRIMARY KEY, task_id INTEGER NOT NULL REFERENCES task(id));
CREATE SEQUENCE numbers START 7;
CREATE VIEW labels AS SELECT 1 AS n;
CREATE TYPE size AS ENUM ('small');
INSERT INTO label (name) VALUES ('seed')
"""


def make_tables(url: str) -> None:
    db = Database(url)
    script = SQLITE if db.url.backend == "sqlite" else POSTGRESQL
    with db.engine.begin() as connection:
        for statement in script.split(";"):
            connection.execute(text(statement))
    db.dispose()


@pytest.fixture
def place(
    _colonnade_run: Run, _colonnade_wanted: str, tmp_path: Path
) -> Iterator[TemporaryDatabase]:
    """A place with those tables, of each kind."""
    run = Run(_colonnade_run.project, tmp_path, "x", _colonnade_run._server)
    backend = run.backend(_colonnade_wanted)
    place = backend.place(make_tables)
    yield place
    place.close()
    backend.close()


@pytest.fixture
def home(place: TemporaryDatabase) -> Iterator[Database]:
    """Who writes to it."""
    db = Database("sqlite://")
    with db.using(place.url):
        yield db


def execute(db: Database, *statements: str) -> list[object]:
    results: list[object] = []
    with db.engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            results = [tuple(row) for row in result] if result.returns_rows else []
    return results


ADD = "INSERT INTO task (title) VALUES ('One')"


def test_rows_are_gone_and_keys_begin_anew(place: TemporaryDatabase, home: Database) -> None:
    for _ in range(3):
        execute(home, ADD, "INSERT INTO task (title, parent_id) VALUES ('Two', 1)")
        execute(home, "INSERT INTO note (task_id) VALUES (2)")
        assert execute(home, "SELECT id FROM task ORDER BY id") == [(1,), (2,)]
        assert place.settle() == Settled()
        assert execute(home, "SELECT id FROM task") == []


def test_keys_begin_anew_though_no_row_was_left(place: TemporaryDatabase, home: Database) -> None:
    execute(home, ADD, "DELETE FROM task")
    assert place.settle() == Settled()
    execute(home, ADD)
    assert execute(home, "SELECT id FROM task") == [(1,)]


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM label", "UPDATE label SET name = 'other'", "UPDATE label SET name = name",
     "INSERT INTO label (name) VALUES ('x')"],
)  # fmt: skip
def test_rows_that_the_tables_are_made_with_come_back(
    place: TemporaryDatabase, home: Database, change: str
) -> None:
    for _ in range(2):
        execute(home, change)
        assert place.settle() == Settled()
        assert execute(home, "SELECT id, name FROM label") == [(1, "seed")]
        execute(home, "INSERT INTO label (name) VALUES ('x')")
        assert execute(home, "SELECT max(id) FROM label") == [(2,)]


def test_nothing_is_done_where_nothing_was_written(
    place: TemporaryDatabase, home: Database
) -> None:
    with home.engine.connect() as connection:
        connection.execute(text("SELECT * FROM task")).all()
    assert place.settle() == Settled()


def test_many_rows_are_gone_as_well(place: TemporaryDatabase, home: Database) -> None:
    big = "x" * 1000
    rows = 2 * LARGE // 1000
    series = (
        f"SELECT n || '{big}' FROM generate_series(1, {rows}) AS s(n)"
        if home.url.backend == "postgresql"
        else f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) "
        f"SELECT n || '{big}' FROM s"
    )
    execute(home, f"INSERT INTO task (title) {series}")
    assert place.settle() == Settled()
    assert execute(home, "SELECT count(*) FROM task") == [(0,)]


def test_a_transaction_that_is_open_is_told_and_the_place_given_up(
    place: TemporaryDatabase, home: Database
) -> None:
    with home.engine.connect() as connection:
        connection.execute(text(ADD))
        settled = place.settle()
    assert settled.is_lost
    assert "It left a transaction open" in settled.complaints[0]
    assert "End it: commit, roll back" in settled.complaints[0]


@pytest.mark.only_on("sqlite")
def test_the_schema_comes_back_on_sqlite(place: TemporaryDatabase, home: Database) -> None:
    execute(home, "DROP TABLE note", "CREATE TABLE other (id INTEGER)", ADD)
    assert place.settle() == Settled()
    tables = execute(home, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    assert tables == [("label",), ("note",), ("sqlite_sequence",), ("task",)]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    "change",
    ["DROP TABLE note", "CREATE TABLE other (id INTEGER)", "ALTER TABLE task ADD COLUMN x TEXT",
     "CREATE INDEX on task (parent_id)", "CREATE VIEW titles AS SELECT title FROM task",
     "ALTER TABLE task ALTER title TYPE VARCHAR", "ALTER TABLE label ALTER name SET NOT NULL",
     "ALTER TABLE label ALTER name SET DEFAULT 'x'", "ALTER TYPE size ADD VALUE 'large'",
     "ALTER TABLE note DROP CONSTRAINT note_task_id_fkey", "CREATE SCHEMA another",
     "CREATE TYPE mood AS ENUM ('good')", "CREATE DOMAIN whole AS INTEGER CHECK (VALUE > 0)",
     "CREATE FUNCTION one() RETURNS INTEGER LANGUAGE sql AS 'SELECT 1'",
     "CREATE OR REPLACE VIEW labels AS SELECT 2 AS n",
     "CREATE TRIGGER t BEFORE UPDATE ON task FOR EACH ROW "
     "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
     "CREATE POLICY mine ON task USING (true)", """CREATE COLLATION other FROM "C\""""],
)  # fmt: skip
def test_a_schema_that_is_another_is_given_up_on_postgresql(
    place: TemporaryDatabase, home: Database, change: str
) -> None:
    execute(home, change)
    assert place.settle() == Settled(is_lost=True)


@pytest.mark.only_on("postgresql")
def test_temporary_tables_and_maintenance_are_no_other_schema(
    place: TemporaryDatabase, home: Database
) -> None:
    execute(home, "CREATE TEMPORARY TABLE other (id SERIAL PRIMARY KEY, name TEXT DEFAULT 'x')")
    with home.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in ("ANALYZE", "VACUUM", "TRUNCATE task CASCADE", "REINDEX TABLE note"):
            connection.exec_driver_sql(statement)
    assert place.settle() == Settled()


@pytest.mark.only_on("postgresql")
def test_every_schema_and_sequence_is_seen(place: TemporaryDatabase, home: Database) -> None:
    execute(home, "SELECT nextval('numbers')", """INSERT INTO "Other"."It's" DEFAULT VALUES""")
    assert place.settle() == Settled()
    assert execute(home, "SELECT nextval('numbers')") == [(7,)]
    added = """INSERT INTO "Other"."It's" DEFAULT VALUES RETURNING id"""
    assert execute(home, added) == [(1,)]


@pytest.mark.only_on("postgresql")
def test_a_user_who_may_make_databases_and_nothing_else(postgresql_server: str) -> None:
    admin = Database(postgresql_server)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE ROLE maker LOGIN CREATEDB")
        connection.exec_driver_sql("CREATE ROLE nobody LOGIN")
    try:
        backend = PostgreSQLBackend(_as(postgresql_server, "maker"), "test_roles", "x")
        place = backend.place(make_tables)
        home = Database("sqlite://")
        with home.using(place.url):
            execute(home, "SELECT nextval('numbers')")
            assert place.settle() == Settled()
            execute(home, ADD)
            assert place.settle() == Settled(is_lost=True)  # it cannot but be made anew
        place.close()
        backend.close()
        backend = PostgreSQLBackend(_as(postgresql_server, "nobody"), "test_roles", "y")
        with pytest.raises(FixtureError, match=r"must not make databases.*CREATEDB"):
            backend.place(None)
        backend.close()
    finally:
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("DROP ROLE maker")
            connection.exec_driver_sql("DROP ROLE nobody")
        admin.dispose()


def _as(url: str, user: str) -> str:
    return url.replace("postgres:@", f"{user}@").replace("me@", f"{user}@")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:s%40t@host:5433/app?sslmode=require&dbname=x",
         "postgresql://me:s%40t@host:5433/other?sslmode=require"),
        ("postgres://host", "postgresql://host/other"),
        ("psql 'postgresql+asyncpg://me@/app?host=/run'", "postgresql://me@/other?host=/run"),
    ],
)  # fmt: skip
def test_the_url_of_another_database(url: str, expected: str) -> None:
    assert with_database(url, "other") == expected
