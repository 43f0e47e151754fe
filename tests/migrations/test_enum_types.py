"""Enum types of PostgreSQL: made before the tables that have them, changed in place, dropped last.

On SQLite, which has none, the same revisions do nothing about them.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal

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
    query = (
        "SELECT enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid "
        f"WHERE typname = '{name}' ORDER BY enumsortorder"
    )
    return [row[0] for row in lab.rows(query)]


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
    with pytest.raises(MigrationError, match=r"task\.mood can no longer be 'c'"):
        lab.migrate()
    lab.migrate(maps={"task.mood": {"c": ""}})
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
    lab.migrate(maps={"task.moods": {"c": ""}})
    with pytest.raises(RefusedError, match=r"1 row has a value in task.moods that is removed: 'c'"):
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
    lab.change(tasks("new", "b"), maps={"task.mood": {"a": ""}})
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
        with pytest.raises(MigrationError, match="history leaves the type mood behind"):
            check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_value_to_map_to_has_to_be_there(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.models(tasks("a"))
    with pytest.raises(MigrationError, match="the type mood has no value 'c', but 'a'"):
        lab.migrate(maps={"task.mood": {"b": "c"}})


@ON_POSTGRESQL
def test_what_was_interrupted_is_done_again(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    change = 'steps.change_enum("mood", ["a", "x", "c"], ["a", "b"], mapping={"b": "c"})'
    lab.write(f"{change}\n{change}")
    lab.upgrade(guarded=False)
    assert values_of(lab) == ["a", "x", "c"]


@ON_POSTGRESQL
def test_a_rename_that_was_interrupted_is_not_done_to_what_came_in_its_place(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    holds(lab, "a")
    change = 'steps.change_enum("mood", ["x", "b", "a"], ["a", "b"], mapping={"a": "x"})'
    lab.write(f"{change}\n{change}")
    lab.upgrade(guarded=False)
    assert values_of(lab) == ["x", "b", "a"]
    assert moods(lab) == ["x"]


def test_rows_of_a_type_are_mapped_by_a_step_of_ones_own(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    holds(lab, "a", "b", "c")
    lab.write("""steps.map_values("task", "mood", {"a": "b", "c": "a"})""")
    lab.upgrade(guarded=False)
    assert moods(lab) == ["b", "b", "a"]


def test_a_column_that_comes_back_has_the_values_of_its_type_by_then(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.change(tasks("a", "b", "new"))
    text = lab.change(tasks(), drops=frozenset({"task.mood"}))
    assert text.partition("def downgrade")[2].count('"a", "b", "new"') == 2


@ON_POSTGRESQL
def test_the_sql_of_it_can_be_run_by_hand(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c%"))
    holds(lab, "a")
    lab.models(tasks("c%", "a", "50%"))
    lab.migrate(maps={"task.mood": {"b": ""}})
    sql = sql_of(lab.history, lab.db, "upgrade", "head")
    with lab.db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(sql)
        driver.commit()
    assert values_of(lab) == ["c%", "a", "50%"]
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


class Status(Enum):
    GOOD = "is good"
    BAD = "it's bad: 100%"


def column(kind: Any, default: str | None = None, *, nullable: bool = True) -> Any:
    """A table with a column of a type; None: without it."""

    def define() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            if kind is not None:
                mood: Any = Field(
                    default=None, nullable=nullable, sa_type=kind,
                    sa_column_kwargs={"server_default": default},
                )  # fmt: skip

    return define


def field(annotation: Any) -> Any:
    """A table with a field that Colonnade itself chooses a column for."""

    def define() -> None:
        class Task(SQLModel, table=True):
            __annotations__ = {"id": int | None, "mood": annotation}
            id = Field(default=None, primary_key=True)

    return define


def level(*values: str, name: str = "mood", **options: Any) -> Any:
    return sa.Enum(*values, name=name, **options)


def either(*values: str) -> Any:
    return sa.String().with_variant(ENUM(*values, name="mood"), "postgresql")


GONE = column(None)

HISTORIES: dict[str, tuple[Any, ...]] = {
    "text and back": (column(sa.String()), column(level("a", "b")), column(sa.String())),
    "text with a default": (
        column(sa.String(), "a"), column(level("a", "b"), "a"), column(sa.Text(), "a"),
    ),
    "text with another default": (
        column(sa.String(5), "a"), column(level("a", "b"), "b"), column(sa.String(), "a"),
    ),
    "another type": (
        column(level("a", "b"), "a"), column(level("b", "a", name="feeling"), "a"),
    ),
    "text with a CHECK": (field(Literal["a", "b"] | None), column(level("a", "b")),
                          field(Literal["a", "b"] | None)),
    "a type that is text": (
        column(level("a", "b", native_enum=False), "a"), column(level("a", "b"), "a"),
        column(level("a", "b", native_enum=False), "a"),
    ),
    "a type on one database": (
        column(sa.String(), "a"), column(either("a", "b"), "a"), column(either("b", "c", "a"), "c"),
        column(sa.String()),
    ),
    "numbers": (column(sa.Integer()), column(level("1", "2")), column(sa.Integer())),
    "a default that is not a value any more": (
        column(level("a", "b", "c"), "c"), column(level("a", "b")), column(level("b"), "b"),
    ),
    "a required one goes": (
        column(level("a", "b"), nullable=False), column(level("b", "c"), nullable=False),
        column(level("b", "c"), nullable=True), GONE,
    ),
    "a required one that is a type on one database goes": (
        column(either("a", "b"), nullable=False), GONE,
    ),
    "a type by the names of Python's": (column(sa.Enum(Status)), GONE),
    "names become values": (column(sa.Enum(Status)), field(Status | None)),
}  # fmt: skip


@pytest.mark.parametrize("steps", HISTORIES.values(), ids=HISTORIES)
def test_a_history_of_types_is_one_for_both_databases(
    lab: Lab, postgresql_database: str, tmp_path: Path, steps: Sequence[Any]
) -> None:
    replayed_elsewhere(lab, steps, postgresql_database, tmp_path, going="aside")


@pytest.mark.parametrize("name", [name for name, steps in HISTORIES.items() if GONE in steps])
def test_and_so_is_one_in_which_a_column_is_dropped(
    lab: Lab, postgresql_database: str, tmp_path: Path, name: str
) -> None:
    replayed_elsewhere(lab, HISTORIES[name], postgresql_database, tmp_path, going="drops")


def replayed_elsewhere(
    lab: Lab, steps: Sequence[Any], postgresql: str, directory: Path, *, going: str
) -> None:
    """Write a history, and run it there and back on both databases."""
    for define in steps:
        goes: dict[str, Any] = {going: frozenset({"task.mood"})} if define is GONE else {}
        try:
            lab.change(define, allow=["loses-data"], **goes)
        except MigrationError as error:
            goes |= what_is_asked(str(error))
            lab.change(define, allow=["loses-data"], **goes)
    settled(lab)
    on_sqlite = lab.db.url.backend == "sqlite"
    lab.db = Database(postgresql if on_sqlite else f"sqlite:///{directory}/other.db")
    lab.upgrade()
    settled(lab)
    for behind in range(1, len(steps)):
        lab.downgrade()
        revisions = "1 revision" if behind == 1 else f"{behind} revisions"
        assert lab.drift() == [f"The database is {revisions} behind: colonnade upgrade"]
    lab.upgrade()
    assert lab.drift() == []
    lab.db.dispose()


def what_is_asked(message: str) -> dict[str, Any]:
    """What a person would say to a message: that no row has a value, or what rows get."""
    gone = re.search(r"can no longer be '(.+?)'", message)
    if gone:
        return {"maps": {"task.mood": {gone[1]: ""}}}
    return {"fills": {"task.mood": "b"}}


def test_rows_become_the_values_and_the_names_again(lab: Lab) -> None:
    lab.change(column(sa.Enum(Status)))
    holds(lab, "GOOD", "BAD")
    lab.change(field(Status | None))
    assert moods(lab) == ["is good", "it's bad: 100%"]
    lab.downgrade()
    assert moods(lab) == ["GOOD", "BAD"]
    lab.upgrade()
    assert moods(lab) == ["is good", "it's bad: 100%"]


@pytest.mark.parametrize("fills", [{}, {"task.mood": "it's bad: 100%"}])
def test_rows_get_a_member_of_pythons_as_it_is_stored(lab: Lab, fills: dict[str, str]) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            __annotations__ = {"id": int | None, "mood": Status}
            id = Field(default=None, primary_key=True)
            mood = Field(default=Status.GOOD, sa_type=sa.Enum(Status))

    lab.change(tasks())
    lab.run("INSERT INTO task DEFAULT VALUES")
    lab.change(second, fills=fills)
    assert moods(lab) == ["BAD" if fills else "GOOD"]
    settled(lab)


def test_rows_are_mapped_on_sqlite_too_and_a_value_that_goes_is_missed(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    holds(lab, "a", "b")
    lab.change(tasks("a", "x", "c"), maps={"task.mood": {"b": "x"}})
    assert moods(lab) == ["a", "x"]
    lab.downgrade()
    assert moods(lab) == ["a", "b"]
    lab.upgrade()
    lab.models(tasks("a", "c"))
    lab.migrate(maps={"task.mood": {"x": ""}})
    with pytest.raises(RefusedError, match=r"1 row has a value in task\.mood that is removed: 'x'"):
        lab.upgrade()


@ON_POSTGRESQL
def test_values_of_arrays_are_mapped_one_by_one(lab: Lab) -> None:
    lab.change(column(sa.ARRAY(level("a", "b", "c"))))
    lab.run("INSERT INTO task (mood) VALUES ('{a,b,c}')")
    maps = {"task.mood": {"a": "b", "b": "c"}}
    lab.change(column(sa.ARRAY(level("b", "c"))), maps=maps, allow=["cannot-undo"])
    assert lab.rows("SELECT mood::text FROM task") == [("{b,c,c}",)]


@ON_POSTGRESQL
def test_what_stands_in_the_way_of_another_type_is_told(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.write("op.execute('CREATE VIEW good AS SELECT mood FROM task')",
              "op.execute('DROP VIEW good')")  # fmt: skip
    lab.upgrade()
    lab.models(tasks("a", "b", "c"))
    with pytest.raises(MigrationError, match=r"cannot be run back[\s\S]*cannot alter type of a"):
        lab.migrate()
    lab.write('steps.change_enum("mood", ["a", "b", "c"], ["a", "b"])', "op.execute('SELECT 1')")
    lab.upgrade()
    lab.models(tasks("c", "a"))
    with pytest.raises(MigrationError, match=r"change the values of mood.*cannot alter type of a"):
        lab.migrate(maps={"task.mood": {"b": ""}})
    change = 'steps.change_enum("mood", ["c", "a"], ["a", "b", "c"])'
    lab.write(
        f"op.execute('DROP VIEW good')\n{change}\n"
        "op.execute('CREATE VIEW good AS SELECT mood FROM task')"
    )
    lab.upgrade(guarded=False)
    assert lab.drift() == []


@pytest.mark.parametrize("backwards", [False, True])
@ON_POSTGRESQL
def test_odd_names_and_values(lab: Lab, backwards: bool) -> None:
    odd = ["%s", "{table}", "it's", '"', "a:b", "::x", "\\", "$colonnade$", " ", "%(x)s"]
    values = odd[::-1] if backwards else odd

    def define(values: Sequence[str], default: str) -> Any:
        return column(level(*values, name="My % type {x} " + 49 * "m"), default)

    lab.change(define(values, odd[0]))
    with lab.db.engine.begin() as connection:
        for value in values:
            connection.exec_driver_sql("INSERT INTO task (mood) VALUES (%s)", (value,))
    lab.change(define(values[::-1], odd[1]))
    assert moods(lab) == values
    settled(lab)


def test_two_columns_that_share_a_type_say_the_same_of_it(lab: Lab) -> None:
    def models(*values: str) -> Callable[[], object]:
        def define() -> None:
            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                mood: str | None = Field(default=None, sa_type=level("a", "b"))
                other: str | None = Field(default=None, sa_type=level(*values))

        return define

    lab.models(models("b", "a"))
    message = r"The type mood has the values 'a', 'b' here, and by task.other"
    with pytest.raises(MigrationError, match=message):
        lab.migrate()
    lab.change(models("a", "b"))
    lab.models(tasks("a"))
    maps = {"task.mood": {"x": "a"}}
    with pytest.raises(MigrationError, match="--map x=a: the type mood has no value 'x'"):
        lab.migrate(maps=maps, aside=frozenset({"task.other"}))
