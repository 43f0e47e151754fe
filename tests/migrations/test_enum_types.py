"""Enum types: created before their tables, changed in place if possible, and dropped last.

SQLite has no enum types, but the same revisions run there.
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
from colonnade.migrations import RefusedError, check, preview_sql
from tests.migrations.lab import Lab

pytestmark = pytest.mark.slow

ON_POSTGRESQL = pytest.mark.only_on("postgresql")


def tasks(*values: str, default: str | None = None) -> Callable[[], object]:
    """Return a function that defines a table; with values, it has a column of an enum type."""

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
    """Return the current values of an enum type; an empty list if it does not exist."""
    query = (
        "SELECT enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid "
        f"WHERE typname = '{name}' ORDER BY enumsortorder"
    )
    return [row[0] for row in lab.rows(query)]


def insert_moods(lab: Lab, *moods: str) -> None:
    lab.run(*(f"INSERT INTO task (mood) VALUES ('{mood}')" for mood in moods))


def moods(lab: Lab) -> list[str | None]:
    return [row[0] for row in lab.rows("SELECT mood FROM task ORDER BY id")]


def file_node(lab: Lab) -> Any:
    """Return the number of the table's file, which changes when the table is rewritten."""
    return lab.rows("SELECT pg_relation_filenode('task')")


def check_round_trip(lab: Lab) -> None:
    """Check that nothing is left to migrate, and that the history runs both ways."""
    assert lab.drift() == []
    assert lab.maybe() is None
    check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_type_is_created_before_its_table(lab: Lab) -> None:
    text = lab.change(tasks("good", "it's: %(odd)s :x"))
    assert """steps.create_enum("mood", ["good", "it's: %(odd)s :x"])""" in text
    assert "create_type=False" in text
    assert text.index("create_enum") < text.index("op.create_table")
    assert text.index("op.drop_table") < text.index("drop_enum")
    insert_moods(lab, "good")
    check_round_trip(lab)


def test_a_type_is_added_with_a_column_to_a_table_with_rows(lab: Lab) -> None:
    lab.change(tasks())
    lab.run("INSERT INTO task DEFAULT VALUES")
    lab.change(tasks("good", "bad"))
    assert moods(lab) == [None]
    check_round_trip(lab)
    lab.downgrade()
    lab.upgrade()
    assert lab.drift() == []


def test_a_required_column_of_a_new_type_is_added(lab: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            mood: str = Field(sa_type=sa.Enum("good", "bad", name="mood"))

    lab.change(tasks())
    lab.run("INSERT INTO task DEFAULT VALUES")
    lab.change(second, fills={"task.mood": "bad"})
    assert moods(lab) == ["bad"]
    check_round_trip(lab)


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
    check_round_trip(lab)


@pytest.mark.parametrize(
    "values",
    [("a", "b", "new"), ("new", "a", "b"), ("a", "new", "b"), ("x", "a", "y", "z", "b", "it's")],
)
@ON_POSTGRESQL
def test_added_values_do_not_rewrite_the_table(lab: Lab, values: Sequence[str]) -> None:
    lab.change(tasks("a", "b"))
    insert_moods(lab, "a", "b")
    before = file_node(lab)
    lab.change(tasks(*values))
    assert values_of(lab) == list(values)
    assert file_node(lab) == before
    check_round_trip(lab)
    lab.downgrade()
    assert values_of(lab) == ["a", "b"]
    assert moods(lab) == ["a", "b"]


def test_an_added_value_can_be_the_default_in_the_same_revision(lab: Lab) -> None:
    lab.change(tasks("a", "b", default="a"))
    lab.change(tasks("a", "b", "new", default="new"))
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert moods(lab) == ["new"]
    check_round_trip(lab)


@ON_POSTGRESQL
def test_a_renamed_value_does_not_rewrite_the_table(lab: Lab) -> None:
    lab.change(tasks("open", "canceled", default="canceled"))
    insert_moods(lab, "open", "canceled")
    before = file_node(lab)
    maps = {"task.mood": {"canceled": "cancelled"}}
    text = lab.change(tasks("open", "late", "cancelled", default="cancelled"), maps=maps)
    assert 'mapping={"canceled": "cancelled"}' in text
    assert moods(lab) == ["open", "cancelled"]
    assert file_node(lab) == before
    check_round_trip(lab)
    lab.downgrade()
    assert moods(lab) == ["open", "canceled"]
    assert values_of(lab) == ["open", "canceled"]


@ON_POSTGRESQL
def test_rows_with_a_removed_value_are_found_before_anything_runs(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    insert_moods(lab, "a", "c", "c")
    lab.models(tasks("a", "b"))
    with pytest.raises(MigrationError, match=r"task\.mood can no longer be 'c'"):
        lab.migrate()
    lab.migrate(maps={"task.mood": {"c": ""}})
    with pytest.raises(RefusedError, match=r"fails:mood[^$]*2 rows have a value in task.mood"):
        lab.upgrade()
    with pytest.raises(MigrationError, match="The revision was rolled back"):
        lab.upgrade(guarded=False)
    assert values_of(lab) == ["a", "b", "c"]
    lab.run("UPDATE task SET mood = 'b' WHERE mood = 'c'")
    lab.upgrade()
    assert values_of(lab) == ["a", "b"]
    assert moods(lab) == ["a", "b", "b"]
    check_round_trip(lab)


@ON_POSTGRESQL
def test_merging_two_values_cannot_be_undone(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c%", default="c%"))
    insert_moods(lab, "a", "b", "c%")
    lab.models(tasks("a", "b", default="b"))
    lab.migrate(maps={"task.mood": {"c%": "b"}})
    with pytest.raises(RefusedError, match="cannot-undo:mood"):
        lab.upgrade()
    lab.upgrade(allow=["cannot-undo:mood"])
    assert moods(lab) == ["a", "b", "b"]
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert moods(lab)[-1] == "b"
    check_round_trip(lab)


@ON_POSTGRESQL
def test_reordering_values_keeps_the_default(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c", default="b"))
    insert_moods(lab, "a", "c")
    lab.change(tasks("c", "b", "a", default="b"))
    lab.run("INSERT INTO task DEFAULT VALUES")
    assert lab.rows("SELECT mood FROM task ORDER BY mood") == [("c",), ("b",), ("a",)]
    check_round_trip(lab)


@ON_POSTGRESQL
def test_types_of_arrays_and_in_other_schemas_change(lab: Lab) -> None:
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


def test_a_type_is_dropped_with_its_last_column(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    insert_moods(lab, "b")
    text = lab.change(tasks(), aside=frozenset({"task.mood"}))
    assert "drop_enum" not in text
    check_round_trip(lab)
    lab.models(tasks())
    lab.migrate(drops=frozenset({"task.mood"}))
    lab.upgrade(allow=["loses-data"])
    if lab.db.url.backend == "postgresql":
        assert values_of(lab) == []
    check_round_trip(lab)


def test_a_type_is_dropped_when_its_column_becomes_text(lab: Lab) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            mood: str | None = None

    lab.change(tasks("a", "b"))
    insert_moods(lab, "b")
    assert 'steps.drop_enum("mood", ["a", "b"])' in lab.change(second)
    assert moods(lab) == ["b"]
    check_round_trip(lab)
    lab.downgrade()
    assert moods(lab) == ["b"]
    lab.upgrade()
    assert lab.drift() == []


@ON_POSTGRESQL
def test_drift_names_the_differing_values(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.run("ALTER TYPE mood ADD VALUE 'z'", "CREATE TYPE others AS ENUM ('x')")
    assert lab.drift() == [
        "The type mood has the values 'a', 'b', 'z' in the database, and 'a', 'b' in the history"
    ]
    lab.models(tasks("b"))
    assert lab.drift()[0] == (
        "The type mood has the values 'a', 'b' in the history, and 'b' in the models"
    )


def test_a_history_with_types_runs_on_both_databases(lab: Lab, postgresql_database: str) -> None:
    """It does not matter which database the history was written on."""
    lab.change(tasks("a", "b"))
    lab.change(tasks("a", "new", "b"))
    lab.change(tasks("new", "b"), maps={"task.mood": {"a": ""}})
    for url in ("sqlite://", postgresql_database):
        lab.db = Database(url)
        lab.upgrade()
        assert lab.drift() == []
        assert lab.maybe() is None
        lab.db.dispose()


def test_a_type_created_by_alembic_with_its_table_is_changed(lab: Lab) -> None:
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
        with pytest.raises(MigrationError, match="does not drop the type mood"):
            check(lab.history, lab.db.url, SQLModel.metadata)


def test_a_replacement_must_be_a_value_of_the_type(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.models(tasks("a"))
    with pytest.raises(MigrationError, match=r"the enum type mood has no value 'c'\. Use one"):
        lab.migrate(maps={"task.mood": {"b": "c"}})


@ON_POSTGRESQL
def test_an_interrupted_change_runs_again(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    change = 'steps.change_enum("mood", ["a", "x", "c"], ["a", "b"], mapping={"b": "c"})'
    lab.write(f"{change}\n{change}")
    lab.upgrade(guarded=False)
    assert values_of(lab) == ["a", "x", "c"]


@ON_POSTGRESQL
def test_an_interrupted_rename_does_not_rename_the_reused_value(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    insert_moods(lab, "a")
    change = 'steps.change_enum("mood", ["x", "b", "a"], ["a", "b"], mapping={"a": "x"})'
    lab.write(f"{change}\n{change}")
    lab.upgrade(guarded=False)
    assert values_of(lab) == ["x", "b", "a"]
    assert moods(lab) == ["x"]


def test_a_hand_written_step_maps_values_of_a_type(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    insert_moods(lab, "a", "b", "c")
    lab.write("""steps.map_values("task", "mood", {"a": "b", "c": "a"})""")
    lab.upgrade(guarded=False)
    assert moods(lab) == ["b", "b", "a"]


def test_a_restored_column_has_the_current_values_of_its_type(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.change(tasks("a", "b", "new"))
    text = lab.change(tasks(), drops=frozenset({"task.mood"}))
    assert text.partition("def downgrade")[2].count('"a", "b", "new"') == 2


@ON_POSTGRESQL
def test_the_printed_sql_can_be_run_by_hand(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c%"))
    insert_moods(lab, "a")
    lab.models(tasks("c%", "a", "50%"))
    lab.migrate(maps={"task.mood": {"b": ""}})
    sql = preview_sql(lab.history, lab.db, "upgrade", "head")
    with lab.db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(sql)
        driver.commit()
    assert values_of(lab) == ["c%", "a", "50%"]
    assert lab.drift() == []


@pytest.mark.parametrize("default", [None, "a"])
def test_text_is_converted_to_a_type_and_to_another_type(lab: Lab, default: str | None) -> None:
    def define(kind: Any) -> Callable[[], object]:
        def define() -> None:
            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                mood: str | None = Field(
                    default=None, sa_type=kind, sa_column_kwargs={"server_default": default}
                )

        return define

    lab.change(define(sa.String()))
    insert_moods(lab, "a", "b")
    lab.change(define(sa.Enum("a", "b", name="mood")))
    check_round_trip(lab)
    lab.change(define(sa.Enum("b", "a", name="feeling")))
    assert moods(lab) == ["a", "b"]
    check_round_trip(lab)
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
    """Return a function that defines a table with a column of a type; None for no column."""

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
    """Return a function that defines a table with a field, whose column Colonnade derives."""

    def define() -> None:
        class Task(SQLModel, table=True):
            __annotations__ = {"id": int | None, "mood": annotation}
            id = Field(default=None, primary_key=True)

    return define


def enum(*values: str, name: str = "mood", **options: Any) -> Any:
    return sa.Enum(*values, name=name, **options)


def text_or_enum(*values: str) -> Any:
    return sa.String().with_variant(ENUM(*values, name="mood"), "postgresql")


NO_COLUMN = column(None)

HISTORIES: dict[str, tuple[Any, ...]] = {
    "text and back": (column(sa.String()), column(enum("a", "b")), column(sa.String())),
    "text with a default": (
        column(sa.String(), "a"), column(enum("a", "b"), "a"), column(sa.Text(), "a"),
    ),
    "text with another default": (
        column(sa.String(5), "a"), column(enum("a", "b"), "b"), column(sa.String(), "a"),
    ),
    "another type": (
        column(enum("a", "b"), "a"), column(enum("b", "a", name="feeling"), "a"),
    ),
    "text with a CHECK": (field(Literal["a", "b"] | None), column(enum("a", "b")),
                          field(Literal["a", "b"] | None)),
    "a type that is text": (
        column(enum("a", "b", native_enum=False), "a"), column(enum("a", "b"), "a"),
        column(enum("a", "b", native_enum=False), "a"),
    ),
    "a type on one database": (
        column(sa.String(), "a"), column(text_or_enum("a", "b"), "a"),
        column(text_or_enum("b", "c", "a"), "c"),
        column(sa.String()),
    ),
    "numbers": (column(sa.Integer()), column(enum("1", "2")), column(sa.Integer())),
    "a default that is not a value any more": (
        column(enum("a", "b", "c"), "c"), column(enum("a", "b")), column(enum("b"), "b"),
    ),
    "a required column is removed": (
        column(enum("a", "b"), nullable=False), column(enum("b", "c"), nullable=False),
        column(enum("b", "c"), nullable=True), NO_COLUMN,
    ),
    "a required column of a type on one database is removed": (
        column(text_or_enum("a", "b"), nullable=False), NO_COLUMN,
    ),
    "a type of a Python enum's names": (column(sa.Enum(Status)), NO_COLUMN),
    "names become values": (column(sa.Enum(Status)), field(Status | None)),
}  # fmt: skip


@pytest.mark.parametrize("steps", HISTORIES.values(), ids=HISTORIES)
def test_changes_of_a_type_run_on_both_databases(
    lab: Lab, postgresql_database: str, tmp_path: Path, steps: Sequence[Any]
) -> None:
    check_on_both_databases(lab, steps, postgresql_database, tmp_path, option="aside")


@pytest.mark.parametrize("name", [name for name, steps in HISTORIES.items() if NO_COLUMN in steps])
def test_changes_of_a_type_with_a_dropped_column_run_on_both_databases(
    lab: Lab, postgresql_database: str, tmp_path: Path, name: str
) -> None:
    check_on_both_databases(lab, HISTORIES[name], postgresql_database, tmp_path, option="drops")


def check_on_both_databases(
    lab: Lab, steps: Sequence[Any], postgresql: str, directory: Path, *, option: str
) -> None:
    """Write a history on one database, and run it both ways on both databases."""
    for define in steps:
        choices: dict[str, Any] = {option: frozenset({"task.mood"})} if define is NO_COLUMN else {}
        try:
            lab.change(define, allow=["loses-data"], **choices)
        except MigrationError as error:
            choices |= answers_for(str(error))
            lab.change(define, allow=["loses-data"], **choices)
    check_round_trip(lab)
    on_sqlite = lab.db.url.backend == "sqlite"
    lab.db = Database(postgresql if on_sqlite else f"sqlite:///{directory}/other.db")
    lab.upgrade()
    check_round_trip(lab)
    for behind in range(1, len(steps)):
        lab.downgrade()
        revisions = "1 revision" if behind == 1 else f"{behind} revisions"
        assert lab.drift() == [f"The database is {revisions} behind. Run `colonnade upgrade`."]
    lab.upgrade()
    assert lab.drift() == []
    lab.db.dispose()


def answers_for(message: str) -> dict[str, Any]:
    """Return the choices that answer an error message.

    They say that no row has a removed value, or which value existing rows get.
    """
    match = re.search(r"can no longer be '(.+?)'", message)
    if match:
        return {"maps": {"task.mood": {match[1]: ""}}}
    return {"fills": {"task.mood": "b"}}


def test_member_names_are_converted_to_values_and_back(lab: Lab) -> None:
    lab.change(column(sa.Enum(Status)))
    insert_moods(lab, "GOOD", "BAD")
    lab.change(field(Status | None))
    assert moods(lab) == ["is good", "it's bad: 100%"]
    lab.downgrade()
    assert moods(lab) == ["GOOD", "BAD"]
    lab.upgrade()
    assert moods(lab) == ["is good", "it's bad: 100%"]


@pytest.mark.parametrize("fills", [{}, {"task.mood": "it's bad: 100%"}])
def test_rows_get_the_stored_form_of_an_enum_member(lab: Lab, fills: dict[str, str]) -> None:
    def second() -> None:
        class Task(SQLModel, table=True):
            __annotations__ = {"id": int | None, "mood": Status}
            id = Field(default=None, primary_key=True)
            mood = Field(default=Status.GOOD, sa_type=sa.Enum(Status))

    lab.change(tasks())
    lab.run("INSERT INTO task DEFAULT VALUES")
    lab.change(second, fills=fills)
    assert moods(lab) == ["BAD" if fills else "GOOD"]
    check_round_trip(lab)


def test_values_are_mapped_on_sqlite_as_well(lab: Lab) -> None:
    lab.change(tasks("a", "b", "c"))
    insert_moods(lab, "a", "b")
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
def test_values_in_arrays_are_mapped_one_by_one(lab: Lab) -> None:
    lab.change(column(sa.ARRAY(enum("a", "b", "c"))))
    lab.run("INSERT INTO task (mood) VALUES ('{a,b,c}')")
    maps = {"task.mood": {"a": "b", "b": "c"}}
    lab.change(column(sa.ARRAY(enum("b", "c"))), maps=maps, allow=["cannot-undo"])
    assert lab.rows("SELECT mood::text FROM task") == [("{b,c,c}",)]


@ON_POSTGRESQL
def test_an_object_that_blocks_a_change_of_a_type_is_named(lab: Lab) -> None:
    lab.change(tasks("a", "b"))
    lab.write("op.execute('CREATE VIEW good AS SELECT mood FROM task')",
              "op.execute('DROP VIEW good')")  # fmt: skip
    lab.upgrade()
    lab.models(tasks("a", "b", "c"))
    with pytest.raises(MigrationError, match=r"downgrade failed[\s\S]*cannot alter type of a"):
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
def test_unusual_names_and_values_are_quoted(lab: Lab, backwards: bool) -> None:
    odd = ["%s", "{table}", "it's", '"', "a:b", "::x", "\\", "$colonnade$", " ", "%(x)s"]
    values = odd[::-1] if backwards else odd

    def define(values: Sequence[str], default: str) -> Any:
        return column(enum(*values, name="My % type {x} " + 49 * "m"), default)

    lab.change(define(values, odd[0]))
    with lab.db.engine.begin() as connection:
        for value in values:
            connection.exec_driver_sql("INSERT INTO task (mood) VALUES (%s)", (value,))
    lab.change(define(values[::-1], odd[1]))
    assert moods(lab) == values
    check_round_trip(lab)


def test_two_columns_cannot_define_a_type_differently(lab: Lab) -> None:
    def models(*values: str) -> Callable[[], object]:
        def define() -> None:
            class Task(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                mood: str | None = Field(default=None, sa_type=enum("a", "b"))
                other: str | None = Field(default=None, sa_type=enum(*values))

        return define

    lab.models(models("b", "a"))
    message = r"The enum type mood is defined twice, with the values 'a', 'b', and for task.other"
    with pytest.raises(MigrationError, match=message):
        lab.migrate()
    lab.change(models("a", "b"))
    lab.models(tasks("a"))
    maps = {"task.mood": {"x": "a"}}
    with pytest.raises(MigrationError, match="--map x=a: the enum type mood has no value 'x'"):
        lab.migrate(maps=maps, aside=frozenset({"task.other"}))
