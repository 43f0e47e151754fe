"""Enum types of PostgreSQL: made before the tables that have them, changed in place, dropped last.

On SQLite, which has none, the same revisions do nothing about them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, ENUM

from colonnade import Database, Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.migrations import RefusedError, check, sql_of
from tests.migrations.lab import Lab

ON_POSTGRESQL = pytest.mark.only_on("postgresql")


def tasks(*values: str, default: str | None = None) -> Callable[[], object]:
    """A table, with a column of an enum type that has these values, or without."""

    def define() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            if values:
                mood: str | None = Field(
                    default=None,
                    sa_type=sa.Enum(*values, name="mood"),
                    sa_column_kwargs={"server_default": default},
                )

    return define


def values_of(lab: Lab, name: str = "mood") -> list[str]:
    """The values of a type, as they are; none if there is none."""
    asked = (
        "SELECT enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid "
        f"WHERE typname = '{name}' ORDER BY enumsortorder"
    )
    return [row[0] for row in lab.rows(asked)]


def holds(lab: Lab, *moods: str) -> None:
    lab.run(*(f"INSERT INTO task (mood) VALUES ('{mood}')" for mood in moods))


def moods(lab: Lab) -> list[str | None]:
    return [row[0] for row in lab.rows("SELECT mood FROM task ORDER BY id")]


def place_of(lab: Lab) -> Any:
    """The file of a table: another once the table was written anew."""
    return lab.rows("SELECT pg_relation_filenode('task')")


def settled(lab: Lab) -> None:
    """Nothing is left to say, and it goes back to nothing and up again."""
    assert lab.drift() == []
    assert lab.maybe() is None
    check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_type_is_made_before_the_table_that_has_it(lab: Lab) -> None:
    text = lab.change(tasks("good", "it's: %(odd)s :x"))
    assert """steps.create_enum("mood", ["good", "it's: %(odd)s :x"])""" in text
    assert "create_type=False" in text
    assert text.index("create_enum") < text.index("op.create_table")
    assert text.index("op.drop_table") < text.index("drop_enum")
    holds(lab, "good")
    settled(lab)


def test_a_type_comes_with_a_column_to_a_table_with_rows(lab: Lab) -> None:
    lab.change(tasks())
    lab.run("INSERT INTO task DEFAULT VALUES")
    lab.change(tasks("good", "bad"))
    assert moods(lab) == [None]
    settled(lab)
    lab.downgrade()
    lab.upgrade()
    assert lab.drift() == []


def test_a_required_column_of_a_new_type(lab: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            mood: str = Field(sa_type=sa.Enum("good", "bad", name="mood"))

    lab.change(tasks())
    lab.run("INSERT INTO task DEFAULT VALUES")
    lab.change(second, fills={"task.mood": "bad"})
    assert moods(lab) == ["bad"]
    settled(lab)


def test_tables_share_a_type(lab: Lab) -> None:
    def first() -> None:
        kind: Any = sa.Enum("good", "bad", name="mood")

        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            mood: str = Field(sa_type=kind)
            before: str | None = Field(default=None, sa_type=kind)

        class Worker(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            mood: str = Field(sa_type=kind)

    assert lab.change(first).count("create_enum") == 1
    settled(lab)


@pytest.mark.parametrize(
    "values",
    [("a", "b", "new"), ("new", "a", "b"), ("a", "new", "b"), ("x", "a", "y", "z", "b", "it's")],
)
@ON_POSTGRESQL
def test_values_that_come_change_the_type_alone(lab: Lab, values: Sequence[str]) -> None:
    lab.change(tasks("a", "b"))
    holds(lab, "a", "b")
    before = place_of(lab)
    lab.change(tasks(*values))
    assert values_of(lab) == list(values)
    assert place_of(lab) == before
    settled(lab)
    lab.downgrade()
    assert values_of(lab) == ["a", "b"]
    assert moods(lab) == ["a", "b"]


def test_a_value_that_comes_can_be_the_default_in_the_same_revision(lab: Lab) -> None:
    lab.change(tasks("a", "b", default="a"))
    lab.change(tasks("a", "b", "new", default="new"))
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert moods(lab) == ["new"]
    settled(lab)


@ON_POSTGRESQL
def test_a_value_that_is_called_something_else(lab: Lab) -> None:
    lab.change(tasks("open", "canceled", default="canceled"))
    holds(lab, "open", "canceled")
    before = place_of(lab)
    maps = {"task.mood": {"canceled": "cancelled"}}
    text = lab.change(tasks("open", "late", "cancelled", default="cancelled"), maps=maps)
    assert 'mapping={"canceled": "cancelled"}' in text
    assert moods(lab) == ["open", "cancelled"]
    assert place_of(lab) == before
    settled(lab)
    lab.downgrade()
    assert moods(lab) == ["open", "canceled"]
    assert values_of(lab) == ["open", "canceled"]


@ON_POSTGRESQL
def test_a_value_that_goes_is_missed_before_anything_is_done(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    holds(lab, "a", "c", "c")
    lab.models(tasks("a", "b"))
    lab.migrate()
    with pytest.raises(RefusedError, match=r"fails:mood[^$]*2 rows have a value in task.mood"):
        lab.upgrade()
    with pytest.raises(MigrationError, match="Nothing of it is left"):
        lab.upgrade(guarded=False)
    assert values_of(lab) == ["a", "b", "c"]
    lab.run("UPDATE task SET mood = 'b' WHERE mood = 'c'")
    lab.upgrade()
    assert values_of(lab) == ["a", "b"]
    assert moods(lab) == ["a", "b", "b"]
    settled(lab)


@ON_POSTGRESQL
def test_a_value_that_becomes_another_cannot_be_told_apart_again(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c%", default="c%"))
    holds(lab, "a", "b", "c%")
    lab.models(tasks("a", "b", default="b"))
    lab.migrate(maps={"task.mood": {"c%": "b"}})
    with pytest.raises(RefusedError, match="cannot-undo:mood"):
        lab.upgrade()
    lab.upgrade(allow=["cannot-undo:mood"])
    assert moods(lab) == ["a", "b", "b"]
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert moods(lab)[-1] == "b"
    settled(lab)


@ON_POSTGRESQL
def test_another_order_and_the_default_stays(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c", default="b"))
    holds(lab, "a", "c")
    lab.change(tasks("c", "b", "a", default="b"))
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert lab.rows("SELECT mood FROM task ORDER BY mood") == [("c",), ("b",), ("a",)]
    settled(lab)


@ON_POSTGRESQL
def test_arrays_and_other_schemas(lab: Lab) -> None:
    def models(*values: str) -> Callable[[], object]:
        def define() -> None:
            kind: Any = ARRAY(ENUM(*values, name="Feel ing", schema="other"))

            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                moods: list[str] = Field(
                    sa_type=kind, sa_column_kwargs={"server_default": sa.text("'{a}'")}
                )

        return define

    lab.write("op.execute('CREATE SCHEMA other')", "op.execute('DROP SCHEMA other')")
    lab.upgrade(guarded=False)
    lab.change(models("a", "b", "c"))
    lab.run("""INSERT INTO task (moods) VALUES ('{a,b,c}')""")
    lab.models(models("c", "a"))
    lab.migrate(maps={"task.moods": {"b": "a"}})
    lab.upgrade(allow=["cannot-undo"])
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert lab.rows("SELECT moods::text FROM task ORDER BY id") == [("{a,a,c}",), ("{a}",)]
    assert lab.drift() == []
    lab.models(models("a"))
    lab.migrate()
    with pytest.raises(RefusedError, match=r"1 row has a value in task.moods that goes: 'c'"):
        lab.upgrade()


def test_a_type_goes_with_the_last_column_that_has_it(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    holds(lab, "b")
    text = lab.change(tasks(), aside=frozenset({"task.mood"}))
    assert "drop_enum" not in text
    settled(lab)
    lab.models(tasks())
    lab.migrate(drops=frozenset({"task.mood"}))
    lab.upgrade(allow=["loses-data"])
    if lab.db.url.backend == "postgresql":
        assert values_of(lab) == []
    settled(lab)


def test_a_type_that_becomes_text_is_dropped(lab: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            mood: str | None = None

    lab.change(tasks("a", "b"))
    holds(lab, "b")
    assert 'steps.drop_enum("mood", ["a", "b"])' in lab.change(second)
    assert moods(lab) == ["b"]
    settled(lab)
    lab.downgrade()
    assert moods(lab) == ["b"]
    lab.upgrade()
    assert lab.drift() == []


@ON_POSTGRESQL
def test_drift_names_the_values(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.run("ALTER TYPE mood ADD VALUE 'z'", "CREATE TYPE others AS ENUM ('x')")
    assert lab.drift() == [
        "The type mood has the values 'a', 'b', 'z' in the database, and 'a', 'b' in the history"
    ]
    lab.models(tasks("b"))
    assert lab.drift()[0] == (
        "The type mood has the values 'a', 'b' in the history, and 'b' in the models"
    )


def test_one_history_for_both_databases(lab: Lab, postgresql_database: str) -> None:
    """Whichever it was written on."""
    lab.change(tasks("a", "b"))
    lab.change(tasks("a", "new", "b"))
    lab.change(tasks("new", "b"))
    for url in ("sqlite://", postgresql_database):
        lab.db = Database(url)
        lab.upgrade()
        assert lab.drift() == []
        assert lab.maybe() is None
        lab.db.dispose()


def test_a_table_that_makes_its_type_itself_as_plain_alembic_has_it(lab: Lab) -> None:
    lab.models(tasks("a", "b"))
    lab.write(
        'op.create_table("task", sa.Column("id", sa.Integer(), primary_key=True),'
        ' sa.Column("mood", sa.Enum("a", "b", name="mood")))',
        'op.drop_table("task")',
    )
    lab.upgrade()
    text = lab.change(tasks("a", "b", "c"))
    assert 'steps.change_enum("mood", ["a", "b", "c"], ["a", "b"])' in text
    assert lab.drift() == []
    if lab.db.url.backend == "postgresql":
        with pytest.raises(MigrationError, match="the history leaves the type mood"):
            check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_value_to_map_to_has_to_be_there(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.models(tasks("a"))
    with pytest.raises(MigrationError, match="The type mood has no value 'c' to map to: it has"):
        lab.migrate(maps={"task.mood": {"b": "c"}})


@ON_POSTGRESQL
def test_what_was_interrupted_is_done_again(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    change = 'steps.change_enum("mood", ["a", "x", "c"], ["a", "b"], mapping={"b": "c"})'
    lab.write(f"{change}\n{change}")
    lab.upgrade(guarded=False)
    assert values_of(lab) == ["a", "x", "c"]


@ON_POSTGRESQL
def test_the_sql_of_it_can_be_run_by_hand(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    holds(lab, "a")
    lab.models(tasks("b", "a"))
    lab.migrate()
    sql = sql_of(lab.history, lab.db, "upgrade", "head")
    with lab.db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(sql)
        driver.commit()
    assert values_of(lab) == ["b", "a"]
    assert lab.drift() == []


@pytest.mark.parametrize("default", [None, "a"])
def test_text_becomes_a_type_and_a_type_another(lab: Lab, default: str | None) -> None:
    def define(kind: Any) -> Callable[[], object]:
        def define() -> None:
            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                mood: str | None = Field(
                    default=None, sa_type=kind, sa_column_kwargs={"server_default": default}
                )

        return define

    lab.change(define(sa.String()))
    holds(lab, "a", "b")
    lab.change(define(sa.Enum("a", "b", name="mood")))
    settled(lab)
    lab.change(define(sa.Enum("b", "a", name="feeling")))
    assert moods(lab) == ["a", "b"]
    settled(lab)
    for _ in range(2):
        lab.downgrade()
    assert moods(lab) == ["a", "b"]
    lab.upgrade()
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert moods(lab) == ["a", "b", default]
    assert lab.drift() == []
