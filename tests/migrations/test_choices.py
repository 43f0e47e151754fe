"""Choices given as command-line options are applied, or refused with a reason."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from colonnade import Field, SQLModel
from colonnade.errors import MigrationError
from colonnade.models import check_name
from tests.migrations.lab import Lab


def table(title: str = "task", /, **columns: Any) -> Callable[[], object]:
    """Return a function that defines a table with nullable columns."""

    def define() -> object:
        annotations: dict[str, Any] = {"id": int | None} | {
            name: annotation | None for name, annotation in columns.items()
        }
        body: dict[str, Any] = dict.fromkeys(columns)
        body |= {"id": Field(default=None, primary_key=True), "__annotations__": annotations}
        body |= {"__module__": __name__, "__tablename__": title}
        make: Any = type(SQLModel)
        return make(title.title(), (SQLModel,), body, table=True)

    return define


def states(*values: str) -> Callable[[], object]:
    def define() -> object:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            state: Literal[values]  # type: ignore[valid-type]  # the values are a variable

        return Task

    return define


def test_a_new_column_takes_the_name_of_a_renamed_one(lab: Lab) -> None:
    lab.change(table(kind=str))
    lab.run("INSERT INTO task (kind) VALUES ('precious')")
    lab.change(table(category=str, kind=int), renames={"task.kind": "category"})
    assert lab.rows("SELECT category, kind FROM task") == [("precious", None)]
    lab.downgrade()
    assert lab.rows("SELECT kind FROM task") == [("precious",)]


@pytest.mark.slow
def test_values_of_a_check_whose_name_is_shortened_are_mapped(lab: Lab) -> None:
    """PostgreSQL cuts names at 63 bytes: ``check_name`` ends a longer one with a hash."""
    title, column = "task_of_a_department_with_a_name", "state_in_the_approval_process_of_it"

    def with_states(*values: str) -> Callable[[], object]:
        return table(title, **{column: Literal[values]})

    lab.change(with_states("a", "b"))
    (name,) = [str(check.name) for check in SQLModel.metadata.tables[title].constraints
               if isinstance(check, sa.CheckConstraint)]  # fmt: skip
    assert name == check_name(title, column, "values")
    assert (len(name), name.endswith("_values")) == (63, False)
    lab.run(f"INSERT INTO {title} ({column}) VALUES ('a'), ('b')")
    lab.change(with_states("z", "b"), maps={f"{title}.{column}": {"a": "z"}})
    assert lab.rows(f"SELECT {column} FROM {title} ORDER BY id") == [("z",), ("b",)]
    assert lab.drift() == []
    lab.downgrade()
    assert lab.rows(f"SELECT {column} FROM {title} ORDER BY id") == [("a",), ("b",)]
    lab.change(table(title))
    lab.downgrade("base")


@pytest.mark.parametrize("owner", ["task", "job"])
def test_a_table_and_its_column_are_renamed_together(lab: Lab, owner: str) -> None:
    lab.change(table(title=str, size=int))
    lab.run("INSERT INTO task (title) VALUES ('a')")
    renames = {"task": "job", f"{owner}.title": "name"}
    lab.change(table("job", name=str, size=int), renames=renames)
    assert lab.rows("SELECT name FROM job") == [("a",)]
    assert lab.drift() == []
    lab.downgrade()
    assert lab.rows("SELECT title FROM task") == [("a",)]


@pytest.mark.parametrize(
    ("before", "after", "renames"),
    [
        ({"a": int, "b": str}, {"b": int, "c": str}, {"task.a": "b", "task.b": "c"}),
        ({"a": int, "b": str}, {"b": int, "a": str}, {"task.a": "b", "task.b": "a"}),
    ],
    ids=["a chain", "two that change places"],
)
def test_columns_swap_names(lab: Lab, before: Any, after: Any, renames: dict[str, str]) -> None:
    lab.change(table(**before))
    lab.run("INSERT INTO task (a, b) VALUES (1, 'x')")
    lab.change(table(**after), renames=renames)
    names = ", ".join(renames.values())
    assert lab.rows(f"SELECT {names} FROM task") == [(1, "x")]
    lab.downgrade()
    assert lab.rows("SELECT a, b FROM task") == [(1, "x")]


def test_tables_swap_names_with_their_primary_keys(lab: Lab) -> None:
    def both(first: Any, second: Any) -> Callable[[], object]:
        return lambda: (table("one", **first)(), table("two", **second)())

    lab.change(both({"a": int}, {"b": int}))
    lab.run("INSERT INTO one (a) VALUES (1)", "INSERT INTO two (b) VALUES (2)")
    lab.change(both({"b": int}, {"a": int}), renames={"one": "two", "two": "one"})
    assert lab.rows("SELECT one.b, two.a FROM one, two") == [(2, 1)]
    assert lab.drift() == []


@pytest.mark.slow
def test_a_new_table_takes_the_name_of_a_renamed_one(lab: Lab) -> None:
    lab.change(table("item", a=str))
    lab.change(table("thing", a=str), renames={"item": "thing"})
    lab.change(lambda: (table("thing", a=str)(), table("item", a=str)()))
    assert lab.drift() == []


@pytest.mark.slow
def test_a_column_is_put_aside_twice(lab: Lab) -> None:
    lab.change(table(old=int))
    for kind in (str, float):
        lab.change(table())
        lab.change(table(old=kind))
    text = lab.change(table())
    assert 'name="old__dropped3"' in text
    lab.downgrade("base", guarded=False)


MAPPED = {"maps": {"task.state": {"a": "z"}}}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"renames": {"task.stat": "x"}}, "--rename task.stat: the history has no task.stat"),
        ({"renames": {"task.state": "x"}}, "has no column x. Use one of id, state"),
        ({"aside": {"task.state"}}, "the models still have task.state"),
        ({"drops": {"task.stat"}}, "--drop task.stat: the history has no task.stat"),
        ({"fills": {"tsk.x": "1"}, **MAPPED}, "--fill tsk.x: the models have no column tsk.x"),
        ({"fills": {"task.state": "b"}, **MAPPED}, "--fill task.state would have no effect"),
        ({"maps": {"task.stat": {"a": "z"}}}, "can no longer be 'a'"),
        ({"maps": {"task.state": {"a": "zz"}}}, "has no value 'zz'. Use one of 'z', 'b'"),
        ({"maps": {"task.state": {"nope": "z"}}}, "had no value 'nope'. Use one of 'a', 'b'"),
        ({}, r"--map task.state:a=VALUE, where VALUE is 'z' or 'b'"),
    ],
    ids=str,
)
def test_an_unusable_choice_is_refused(lab: Lab, choices: dict[str, Any], message: str) -> None:
    lab.change(states("a", "b"))
    lab.models(states("z", "b"))
    with pytest.raises(MigrationError, match=message):
        lab.migrate(**choices)
    assert len(lab.history.revisions) == 1


def test_a_one_to_one_mapping_is_reversed(lab: Lab) -> None:
    lab.change(states("a", "b"))
    lab.run("INSERT INTO task (state) VALUES ('a'), ('b')")
    lab.change(states("z", "b"), maps={"task.state": {"a": "z"}})
    assert lab.rows("SELECT state FROM task ORDER BY id") == [("z",), ("b",)]
    lab.downgrade(guarded=True)
    assert lab.rows("SELECT state FROM task ORDER BY id") == [("a",), ("b",)]


def test_a_renamed_column_does_not_rename_a_function_or_type(lab: Lab) -> None:
    def models(name: str) -> Callable[[], object]:
        def define() -> object:
            check = sa.CheckConstraint(
                f"CAST({name} AS integer) >= length('')", name="ck_track_long"
            )
            columns = (
                sa.Column("id", sa.Integer, primary_key=True),
                sa.Column(name, sa.String(20)),
            )
            return sa.Table("track", SQLModel.metadata, *columns, check)

        return define

    lab.change(models("length"))
    lab.run("INSERT INTO track (length) VALUES ('7')")
    lab.change(models("span"), renames={"track.length": "span"})
    assert lab.drift() == []
    lab.downgrade()
    assert lab.rows("SELECT length FROM track") == [("7",)]
    lab.upgrade()
    assert lab.drift() == []
