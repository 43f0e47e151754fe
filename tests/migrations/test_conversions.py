"""Changes of a column's type: values are converted, or the revision is refused."""

from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import NaiveDatetime

from colonnade import Field, SQLModel, select
from colonnade.errors import MigrationError
from colonnade.migrations import RefusedError
from tests.migrations.lab import Lab


def column(kind: Any, **options: Any) -> Callable[[], object]:
    """Return a function that defines a table with one column of a type."""

    def define() -> object:
        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            value: kind | None = Field(default=None, **options)  # type: ignore[misc]  # its arguments are a variable

        return Task

    return define


def money() -> Callable[[], object]:
    return column(Decimal, max_digits=9, decimal_places=2)


def stored_values(lab: Lab, define: Callable[[], object]) -> list[Any]:
    """Return the column's values as the model reads them."""
    lab.models(define)
    model: Any = lab.classes[-1]
    with lab.db.session() as session:
        return [row.value for row in session.exec(select(model).order_by(model.id))]


def insert_values(lab: Lab, define: Callable[[], object], *values: Any) -> None:
    lab.change(define)
    model: Any = lab.classes[-1]
    with lab.db.session() as session:
        session.add_all([model(value=value) for value in (*values, None)])
        session.commit()


CONVERTIBLE: dict[str, tuple[Callable[[], object], Any, Callable[[], object], Any]] = {
    "date to datetime": (column(date), date(2024, 1, 2), column(NaiveDatetime),
                         datetime(2024, 1, 2)),
    "datetime to date": (column(NaiveDatetime), datetime(2024, 1, 2), column(date),
                         date(2024, 1, 2)),
    "text to date": (column(str), "2024-01-02", column(date), date(2024, 1, 2)),
    "text to datetime": (column(str), "2024-01-02 10:00:00.500000", column(NaiveDatetime),
                         datetime(2024, 1, 2, 10, 0, 0, 500_000)),
    "text to time": (column(str), "10:30:00.000000", column(time), time(10, 30)),
    "text to integer": (column(str), "42", column(int), 42),
    "text to UUID": (column(str), str(UUID(int=7)), column(UUID), UUID(int=7)),
    "UUID to text": (column(UUID), UUID(int=7), column(str), str(UUID(int=7))),
    "integer to text": (column(int), 7, column(str), "7"),
    "integer to float": (column(int), 7, column(float), 7.0),
    "float to integer": (column(float), 7.0, column(int), 7),
    "integer to decimal": (column(int), 7, money(), Decimal("7.00")),
    "decimal to text": (money(), Decimal("7.50"), column(str), "7.50"),
    "bool to integer": (column(bool), True, column(int), 1),
    "bool to text": (column(bool), False, column(str), "false"),
    "text to bool": (column(str), "true", column(bool), True),
    "date to text": (column(date), date(2024, 1, 2), column(str), "2024-01-02"),
    "text to bytes": (column(str), "hé", column(bytes), "hé".encode()),
    "bytes to text": (column(bytes), "hé".encode(), column(str), "hé"),
    "text to JSON": (column(str), '["a"]', column(list[str]), ["a"]),
    "integer to JSON": (column(int), 7, column(list[str] | dict[str, Any], sa_type=sa.JSON), 7),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("old", "value", "new", "expected"), CONVERTIBLE.values(), ids=CONVERTIBLE)
def test_a_value_is_converted_to_the_new_type_and_back(
    lab: Lab, old: Any, value: Any, new: Any, expected: Any
) -> None:
    insert_values(lab, old, value)
    lab.models(new)
    lab.migrate()
    lab.upgrade()
    assert lab.drift() == []
    if expected != 7 or new is not CONVERTIBLE["integer to JSON"][2]:
        assert stored_values(lab, new) == [expected, None]
    lab.downgrade(guarded=True)
    assert stored_values(lab, old) == [value, None]


LOSSY: dict[str, tuple[Callable[[], object], Any, Callable[[], object]]] = {
    "a fraction": (column(float), 10.75, column(int)),
    "a decimal's fraction": (money(), Decimal("10.75"), column(int)),
    "a time of day": (column(NaiveDatetime), datetime(2024, 1, 2, 10, 30), column(date)),
    "leading zeros": (column(str), "007", column(int)),
    "more than a bool": (column(int), 7, column(bool)),
}


@pytest.mark.slow
@pytest.mark.parametrize(("old", "value", "new"), LOSSY.values(), ids=LOSSY)
def test_a_lossy_conversion_must_be_allowed(lab: Lab, old: Any, value: Any, new: Any) -> None:
    insert_values(lab, old, value)
    lab.models(new)
    lab.migrate()
    with pytest.raises(RefusedError, match=r"--allow loses-data:task\.value"):
        lab.upgrade()
    assert stored_values(lab, old) == [value, None]
    lab.models(new)
    lab.upgrade(allow=frozenset({"loses-data:task.value"}))
    assert lab.drift() == []


UNCONVERTIBLE: dict[str, tuple[Callable[[], object], Any, Callable[[], object]]] = {
    "an integer as a UUID": (column(int), 7, column(UUID)),
    "a word as a number": (column(str), "seven", column(int)),
    "a word as a date": (column(str), "tomorrow", column(date)),
    "a day that does not exist": (column(str), "2024-02-30", column(NaiveDatetime)),
    "a large number in a small column": (
        column(int, sa_type=sa.BigInteger), 2**40, column(int, sa_type=sa.SmallInteger),
    ),
    "no JSON": (column(str), "{", column(list[str])),
    "bytes that are not text": (column(bytes), b"\xff", column(str)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("old", "value", "new"), UNCONVERTIBLE.values(), ids=UNCONVERTIBLE)
def test_an_impossible_conversion_is_refused_before_anything_runs(
    lab: Lab, old: Any, value: Any, new: Any
) -> None:
    insert_values(lab, old, value)
    lab.models(new)
    lab.migrate()
    with pytest.raises(RefusedError, match=r"fails:task\.value[\s\S]*Nothing was run"):
        lab.upgrade()
    with pytest.raises(MigrationError):  # nor without the guard
        lab.upgrade(guarded=False)
    assert stored_values(lab, old) == [value, None]
    lab.run("DELETE FROM task WHERE value IS NOT NULL")
    lab.models(new)
    lab.upgrade()
    assert lab.drift() == []


@pytest.mark.slow
def test_a_referenced_integer_key_can_become_a_uuid_only_without_rows(lab: Lab) -> None:
    def define(kind: Any, **options: Any) -> Callable[[], object]:
        def tables() -> None:
            class Owner(SQLModel, table=True):
                id: kind = Field(primary_key=True, **options)  # type: ignore[misc]  # its arguments are a variable

            class Item(SQLModel, table=True):
                id: int | None = Field(default=None, primary_key=True)
                owner_id: kind = Field(foreign_key="owner.id", ondelete="CASCADE")

        return tables

    lab.change(define(int))
    lab.change(define(UUID))
    assert lab.drift() == []
    lab.downgrade()
    lab.run("INSERT INTO owner (id) VALUES (1)", "INSERT INTO item (owner_id) VALUES (1)")
    with pytest.raises(RefusedError, match="an Integer cannot become a Uuid"):
        lab.upgrade()
