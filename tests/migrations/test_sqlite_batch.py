"""Table copies on SQLite keep everything that the table has."""

import pytest
import sqlalchemy as sa

from colonnade import Database
from colonnade.errors import MigrationError
from tests.migrations.lab import Lab


@pytest.fixture
def lab_on_sqlite(lab: Lab) -> Lab:
    if lab.db.url.backend != "sqlite":
        pytest.skip("PostgreSQL changes tables in place")
    return lab


TABLES = (
    """CREATE TABLE owner (id INTEGER PRIMARY KEY)""",
    """CREATE TABLE thing (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name VARCHAR NOT NULL COLLATE NOCASE,
        code VARCHAR(5) UNIQUE,
        size INTEGER CHECK (size > 0),
        owner_id INTEGER REFERENCES owner (id) ON DELETE CASCADE,
        CONSTRAINT named CHECK (length(name) < 10)
    )""",
    """CREATE TABLE part (
        id INTEGER PRIMARY KEY, thing_id INTEGER REFERENCES thing (id) ON DELETE CASCADE
    )""",
    "CREATE INDEX ix_lower ON thing (lower(name))",
    "CREATE INDEX ix_big ON thing (size) WHERE size > 5",
    "CREATE TABLE log (said VARCHAR)",
    """CREATE TRIGGER logs AFTER INSERT ON thing
       BEGIN INSERT INTO log VALUES ('new: ' || new.name); END""",
    "CREATE VIEW big AS SELECT * FROM thing WHERE size > 5",
    "INSERT INTO owner VALUES (1)",
    "INSERT INTO thing (name, size, owner_id) VALUES ('a', 1, 1), ('b', 9, 1)",
    "INSERT INTO part VALUES (1, 1), (2, 2)",
)


def create_tables(lab: Lab) -> None:
    lab.run(*(statement.replace(":", "\\:") for statement in TABLES))


def test_a_table_copy_keeps_constraints_triggers_indexes_and_referring_rows(
    lab_on_sqlite: Lab,
) -> None:
    lab = lab_on_sqlite
    create_tables(lab)
    before = dict(lab.rows("SELECT name, sql FROM sqlite_master WHERE type != 'table'"))
    lab.write('steps.drop_not_null("thing", "name")', 'steps.set_not_null("thing", "name")')
    lab.upgrade()
    after = dict(lab.rows("SELECT name, sql FROM sqlite_master WHERE type != 'table'"))
    assert after.keys() - {"sqlite_autoindex_alembic_version_1"} == before.keys()
    assert lab.rows("SELECT count(*) FROM part") == [(2,)]
    assert lab.rows("SELECT count(*) FROM big") == [(1,)]
    assert lab.rows("SELECT count(*) FROM thing WHERE name = 'A'") == [(1,)]
    lab.run("INSERT INTO thing (name, size) VALUES ('c', 2)")
    assert lab.rows("SELECT said FROM log ORDER BY rowid DESC LIMIT 1") == [("new: c",)]
    lab.run("UPDATE thing SET code = 'x' WHERE id = 1")
    with pytest.raises(sa.exc.IntegrityError):
        lab.run("UPDATE thing SET code = 'x' WHERE id = 2")
    for wrong in ("('too long a name', 2)", "('d', 0)"):
        with pytest.raises(sa.exc.IntegrityError):
            lab.run(f"INSERT INTO thing (name, size) VALUES {wrong}")
    lab.run("DELETE FROM owner")  # cascades to thing, by the rule of a column constraint
    assert lab.rows("SELECT name FROM thing") == [("c",)]
    lab.run("DELETE FROM thing")
    lab.run("INSERT INTO thing (name, size) VALUES ('e', 2)")
    assert lab.rows("SELECT id FROM thing") == [(4,)]  # AUTOINCREMENT


def test_a_revision_that_leaves_dangling_references_fails(lab_on_sqlite: Lab) -> None:
    lab = lab_on_sqlite
    create_tables(lab)
    lab.write('op.execute("DELETE FROM owner")', "op.execute('SELECT 1')")
    with pytest.raises(MigrationError, match="Rows of thing would refer to rows of owner"):
        lab.upgrade(guarded=False)
    assert lab.rows("SELECT count(*) FROM owner") == [(1,)]


def test_foreign_keys_are_enforced_after_a_revision(lab_on_sqlite: Lab, db: Database) -> None:
    lab = lab_on_sqlite
    create_tables(lab)
    lab.write("op.execute('SELECT 1')", "op.execute('SELECT 1')")
    lab.upgrade()
    with pytest.raises(sa.exc.IntegrityError):
        lab.run("INSERT INTO part VALUES (3, 99)")
