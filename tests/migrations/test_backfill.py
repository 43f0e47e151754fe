"""Existing rows get the model's default in a new column, and a neutral value on a downgrade."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from colonnade import Field, SQLModel, Timestamps, select
from tests.migrations.lab import Lab


def empty() -> None:
    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)


DEFAULTS: dict[str, tuple[Any, Any]] = {
    "timedelta": (timedelta, timedelta(hours=1, microseconds=5)),
    "bytes": (bytes, b"\x00z'"),
    "date": (date, date(2026, 1, 2)),
    "time": (time, time(10, 30, 0, 5)),
    "UUID": (UUID, UUID(int=5)),
    "list": (list[str], ["a:b", "it's 100%"]),
    "dict": (dict[str, Any], {"a": [1, None]}),
    "float": (float, 0.5),
    "text": (str, "it's 50% :x"),
    "optional": (int | None, 7),
}


def with_default(kind: Any, default: Any) -> Callable[[], object]:
    def define() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            value: kind = Field(default_factory=lambda: default)

    return define


@pytest.mark.parametrize(("kind", "default"), DEFAULTS.values(), ids=DEFAULTS)
def test_existing_rows_get_the_default_as_the_model_stores_it(
    lab: Lab, kind: Any, default: Any
) -> None:
    lab.change(empty)
    lab.run("INSERT INTO task (id) VALUES (1)")
    lab.change(with_default(kind, default))
    model: Any = lab.classes[-1]
    with lab.db.session() as session:
        session.add(model(id=2))
        session.commit()
        values = [row.value for row in session.exec(select(model).order_by(model.id))]
    assert values == [default, default]


def test_each_row_gets_a_different_value_in_a_unique_column(lab: Lab) -> None:
    def keyed() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            key: UUID = Field(default_factory=uuid4, unique=True)
            token: str = Field(default_factory=lambda: uuid4().hex, unique=True)

    lab.change(empty)
    lab.run("INSERT INTO task (id) VALUES (1), (2), (3)")
    lab.change(keyed)
    model: Any = lab.classes[-1]
    with lab.db.session() as session:
        rows = session.exec(select(model)).all()
    assert len({row.key for row in rows} | {UUID(row.token) for row in rows}) == 6


def test_the_same_value_for_rows_of_a_unique_column_is_refused(lab: Lab) -> None:
    def unique() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            slug: str = Field(unique=True)

    lab.change(empty)
    lab.run("INSERT INTO task (id) VALUES (1), (2)")
    lab.models(unique)
    lab.migrate(fills={"task.slug": "none"})
    with pytest.raises(Exception, match=r"2 rows have the same slug[\s\S]*Nothing was run"):
        lab.upgrade()
    lab.run("DELETE FROM task WHERE id = 2")
    lab.upgrade()


KINDS: dict[str, Any] = {
    "UUID": (UUID, {}), "timedelta": (timedelta, {}), "time": (time, {}), "bytes": (bytes, {}),
    "float": (float, {}), "date": (date, {}), "datetime": (datetime, {}), "bool": (bool, {}),
    "list": (list[str], {}), "Literal": (Literal["a", "b"], {}), "bounded": (int, {"ge": 10}),
    "long": (str, {"min_length": 3}), "before": (date, {"lt": date(2000, 1, 1)}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("option", ["aside", "drops"])
@pytest.mark.parametrize("name", KINDS)
def test_a_downgrade_gives_new_rows_a_value_that_the_column_accepts(
    lab: Lab, name: str, option: str
) -> None:
    kind, options = KINDS[name]

    def required() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            value: kind = Field(**options)  # type: ignore[valid-type, misc]  # type and arguments are variables

    lab.change(required)
    lab.change(empty, allow=["loses-data"], **{option: frozenset({"task.value"})})
    lab.run("INSERT INTO task (id) VALUES (1)")
    lab.downgrade(guarded=True)
    lab.models(required)
    model: Any = lab.classes[-1]
    with lab.db.session() as session:
        assert session.exec(select(model)).one().value is not None
    lab.models(empty)
    lab.upgrade(allow=frozenset({"loses-data"}))


def test_arrays_are_filled_and_converted_to_json(lab: Lab) -> None:
    if lab.db.url.backend != "postgresql":
        pytest.skip("SQLite has no arrays")

    def arrays() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tags: list[str] = Field(default_factory=lambda: ["a"], sa_type=sa.ARRAY(sa.String()))

    def lists() -> None:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            tags: list[str]

    lab.change(empty)
    lab.run("INSERT INTO task (id) VALUES (1)")
    lab.change(arrays)
    assert lab.rows("SELECT tags FROM task") == [(["a"],)]
    lab.change(lists)
    assert lab.rows("SELECT tags FROM task") == [(["a"],)]
    lab.downgrade(guarded=True)
    assert lab.rows("SELECT pg_typeof(tags)::text, tags FROM task") == [
        ("character varying[]", ["a"])
    ]


def test_a_revision_with_timestamps_runs_on_the_other_database(
    lab: Lab, postgresql_database: str, tmp_path: Any
) -> None:
    def dated() -> None:
        class Task(Timestamps, table=True):
            id: int | None = Field(default=None, primary_key=True)

    from colonnade import Database

    lab.change(empty)
    text = lab.change(dated)
    assert "now()'" not in text
    on_sqlite = lab.db.url.backend == "sqlite"
    lab.db = Database(postgresql_database if on_sqlite else f"sqlite:///{tmp_path}/other.db")
    lab.upgrade()
    lab.run("INSERT INTO task (id, created_at, updated_at) VALUES "
            "(1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)")  # fmt: skip
    lab.downgrade()
    lab.upgrade()
    assert lab.drift() == []
    lab.db.dispose()
