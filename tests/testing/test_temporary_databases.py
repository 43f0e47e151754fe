"""Temporary databases are restored after a test: rows, original rows, sequences and schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from colonnade import Database
from colonnade.database import with_database
from colonnade.errors import FixtureError
from colonnade.testing import Run
from colonnade.testing._postgresql import VACUUM_THRESHOLD, PostgreSQLBackend
from colonnade.testing._temporary_databases import RestoreResult, TemporaryDatabase

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
def temporary(
    _colonnade_run: Run, _colonnade_database_option: str, tmp_path: Path
) -> Iterator[TemporaryDatabase]:
    """A temporary database with the tables, of each kind."""
    # Directories of two workers have the same name, which databases on one server get, too.
    process = f"{_colonnade_run._process}_x"
    run = Run(_colonnade_run.project, tmp_path, process, _colonnade_run._server)
    backend = run.backend(_colonnade_database_option)
    temporary = backend.create(make_tables)
    yield temporary
    temporary.close()
    backend.close()


@pytest.fixture
def db(temporary: TemporaryDatabase) -> Iterator[Database]:
    """A Database that writes to it."""
    db = Database("sqlite://")
    with db.using(temporary.url):
        yield db


def execute(db: Database, *statements: str) -> list[object]:
    results: list[object] = []
    with db.engine.begin() as connection:
        for statement in statements:
            result = connection.execute(text(statement))
            results = [tuple(row) for row in result] if result.returns_rows else []
    return results


ADD = "INSERT INTO task (title) VALUES ('One')"


def test_written_rows_are_removed_and_keys_restart(
    temporary: TemporaryDatabase, db: Database
) -> None:
    for _ in range(3):
        execute(db, ADD, "INSERT INTO task (title, parent_id) VALUES ('Two', 1)")
        execute(db, "INSERT INTO note (task_id) VALUES (2)")
        assert execute(db, "SELECT id FROM task ORDER BY id") == [(1,), (2,)]
        assert temporary.restore() == RestoreResult()
        assert execute(db, "SELECT id FROM task") == []


def test_keys_restart_if_the_rows_are_already_deleted(
    temporary: TemporaryDatabase, db: Database
) -> None:
    execute(db, ADD, "DELETE FROM task")
    assert temporary.restore() == RestoreResult()
    execute(db, ADD)
    assert execute(db, "SELECT id FROM task") == [(1,)]


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM label", "UPDATE label SET name = 'other'", "UPDATE label SET name = name",
     "INSERT INTO label (name) VALUES ('x')"],
)  # fmt: skip
def test_the_original_rows_are_restored(
    temporary: TemporaryDatabase, db: Database, change: str
) -> None:
    for _ in range(2):
        execute(db, change)
        assert temporary.restore() == RestoreResult()
        assert execute(db, "SELECT id, name FROM label") == [(1, "seed")]
        execute(db, "INSERT INTO label (name) VALUES ('x')")
        assert execute(db, "SELECT max(id) FROM label") == [(2,)]


def test_a_test_that_only_reads_leaves_nothing_to_restore(
    temporary: TemporaryDatabase, db: Database
) -> None:
    with db.engine.connect() as connection:
        connection.execute(text("SELECT * FROM task")).all()
    assert temporary.restore() == RestoreResult()


def test_a_large_table_is_emptied(temporary: TemporaryDatabase, db: Database) -> None:
    big = "x" * 1000
    rows = 2 * VACUUM_THRESHOLD // 1000
    series = (
        f"SELECT n || '{big}' FROM generate_series(1, {rows}) AS s(n)"
        if db.url.backend == "postgresql"
        else f"WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) "
        f"SELECT n || '{big}' FROM s"
    )
    execute(db, f"INSERT INTO task (title) {series}")
    assert temporary.restore() == RestoreResult()
    assert execute(db, "SELECT count(*) FROM task") == [(0,)]


@pytest.mark.slow
def test_an_open_transaction_is_reported_and_the_database_replaced(
    temporary: TemporaryDatabase, db: Database
) -> None:
    with db.engine.connect() as connection:
        connection.execute(text(ADD))
        result = temporary.restore()
    assert result.needs_replacement
    assert "It left a transaction open" in result.leaks[0]
    assert "Commit it, roll it back, or" in result.leaks[0]


@pytest.mark.only_on("sqlite")
def test_the_schema_is_restored_on_sqlite(temporary: TemporaryDatabase, db: Database) -> None:
    execute(db, "DROP TABLE note", "CREATE TABLE other (id INTEGER)", ADD)
    assert temporary.restore() == RestoreResult()
    tables = execute(db, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
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
def test_a_database_with_a_changed_schema_is_replaced_on_postgresql(
    temporary: TemporaryDatabase, db: Database, change: str
) -> None:
    execute(db, change)
    assert temporary.restore() == RestoreResult(needs_replacement=True)


@pytest.mark.only_on("postgresql")
def test_temporary_tables_and_maintenance_do_not_change_the_schema(
    temporary: TemporaryDatabase, db: Database
) -> None:
    execute(db, "CREATE TEMPORARY TABLE other (id SERIAL PRIMARY KEY, name TEXT DEFAULT 'x')")
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in ("ANALYZE", "VACUUM", "TRUNCATE task CASCADE", "REINDEX TABLE note"):
            connection.exec_driver_sql(statement)
    assert temporary.restore() == RestoreResult()


@pytest.mark.only_on("postgresql")
def test_tables_and_sequences_of_every_schema_are_restored(
    temporary: TemporaryDatabase, db: Database
) -> None:
    execute(db, "SELECT nextval('numbers')", """INSERT INTO "Other"."It's" DEFAULT VALUES""")
    assert temporary.restore() == RestoreResult()
    assert execute(db, "SELECT nextval('numbers')") == [(7,)]
    added = """INSERT INTO "Other"."It's" DEFAULT VALUES RETURNING id"""
    assert execute(db, added) == [(1,)]


@pytest.mark.only_on("postgresql")
def test_a_user_needs_only_the_right_to_create_databases(postgresql_server: str) -> None:
    admin = Database(postgresql_server)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CREATE ROLE maker LOGIN CREATEDB")
        connection.exec_driver_sql("CREATE ROLE nobody LOGIN")
    try:
        backend = PostgreSQLBackend(_as(postgresql_server, "maker"), "test_roles", "x")
        temporary = backend.create(make_tables)
        db = Database("sqlite://")
        with db.using(temporary.url):
            execute(db, "SELECT nextval('numbers')")
            assert temporary.restore() == RestoreResult()
            execute(db, ADD)
            assert temporary.restore() == RestoreResult(
                needs_replacement=True
            )  # its rows need a superuser
        temporary.close()
        backend.close()
        backend = PostgreSQLBackend(_as(postgresql_server, "nobody"), "test_roles", "y")
        with pytest.raises(FixtureError, match=r"may not create databases.*CREATEDB"):
            backend.create(None)
        backend.close()
    finally:
        with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("DROP ROLE maker")
            connection.exec_driver_sql("DROP ROLE nobody")
        admin.dispose()


def _as(url: str, user: str) -> str:
    return url.replace("postgres:@", f"{user}@").replace("me@", f"{user}@")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:s%40t@host:5433/app?sslmode=require&dbname=x",
         "postgresql://me:s%40t@host:5433/other?sslmode=require"),
        ("postgres://host", "postgresql://host/other"),
        ("psql 'postgresql+asyncpg://me@/app?host=/run'", "postgresql://me@/other?host=/run"),
    ],
)  # fmt: skip
def test_with_database_replaces_the_database_of_a_url(url: str, expected: str) -> None:
    assert with_database(url, "other") == expected
