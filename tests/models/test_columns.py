"""Values survive a round trip, and types without a column type are refused."""

import asyncio
import enum
import ipaddress
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional

import pytest
import sqlalchemy as sa
from pydantic import (
    NaiveDatetime,
    SecretStr,
)
from typing_extensions import TypedDict

from colonnade import (
    Column,
    Database,
    Field,
    Resource,
    SQLModel,
    col,
    insert,
    schemas,
    select,
    update,
)
from colonnade.errors import ColumnTypeError, ModelError
from tests.models.storing import Priority, Theme, store_and_read
from tests.resources.sample_app import serving


class Level(enum.IntEnum):
    ONE = 1
    TWO = 2


class Shade(enum.Enum):
    DARK = (0, 0, 0)
    LIGHT = (9, 9, 9)


class Mixed(enum.Enum):
    TEXT = "a"
    NUMBER = 1


class Answer(enum.Enum):
    YES = True
    NO = False


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(TypedDict):
    x: int
    y: int


Slug = NewType("Slug", str)


VALUES: list[tuple[Any, Any]] = [
    (Literal["a", "b"], "b"),
    (Literal[1, 2], 2),
    (Literal[1, 2**40], 2**40),
    (Optional[Literal["a"]], None),
    (Literal["a", None], None),
    (Literal[Priority.LOW], Priority.LOW),
    (Annotated[Literal["it's", "100%", "a:b"], Field(description="signs")], "100%"),
    (Priority, Priority.HIGH),
    (Priority | None, None),
    (Level, Level.TWO),
    (Shade, Shade.LIGHT),
    (Mixed, Mixed.NUMBER),
    (Answer, Answer.NO),
    (Rights, Rights.READ | Rights.WRITE),
    (Annotated[Decimal, Field(max_digits=15, decimal_places=2)], Decimal("9999999999999.99")),
    (Annotated[Decimal, Field(max_digits=15, decimal_places=15)], Decimal("0.100000000000003")),
    (Annotated[Decimal, Field(max_digits=6, decimal_places=2)], Decimal("-1.10")),
    (list[str], ["a", "ü", ""]),
    (list[int] | None, None),
    (dict[str, Any], {"a": [1, {"b": None}], "c": 1.5, "d": True}),
    (dict[int, date], {1: date(2024, 2, 29)}),
    (set[int], {1, 2}),
    (tuple[int, str], (1, "a")),
    (Theme, Theme(name="dark", colours=["black"])),
    (list[Theme], [Theme(), Theme(name="x")]),
    (Point, {"x": 1, "y": 2}),
    (list[int] | dict[str, int] | None, {"a": 1}),
    (list[Decimal], [Decimal("1.10")]),
    (datetime, datetime(2024, 2, 29, 12, 30, 1, 123456, tzinfo=UTC)),
    (NaiveDatetime, datetime(2024, 2, 29, 12, 30, 1, 123456)),
    (date, date(1, 1, 1)),
    (time, time(23, 59, 59, 999999)),
    (timedelta, timedelta(days=3, seconds=5, microseconds=7)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (uuid.UUID, uuid.UUID(int=2**127 + 1)),
    (bytes, b"\x00\xff"),
    (bool, True),
    (int, -(2**31)),
    (Annotated[int, Field(le=2**62)], 2**62),
    (float, 0.1 + 0.2),
    (str, "naïve ☃ 🎉"),
    (Slug, "s"),
    (ipaddress.IPv4Address, ipaddress.IPv4Address("10.0.0.1")),
    (ipaddress.IPv6Network, ipaddress.IPv6Network("2001:db8::/32")),
    (Path, Path("/a/b")),
]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=lambda value: str(value)[:40])
def test_a_value_survives_a_round_trip(db: Database, annotation: Any, value: Any) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation

    read = store_and_read(db, Row(value=value))
    assert read.value == value
    assert isinstance(read.value, type(value))


REFUSED: list[tuple[Any, str]] = [
    (Literal["a", 1], "must be all strings or all integers, not 'a', 1"),
    (Literal[True], "all strings or all integers"),
    (Literal[b"a"], "all strings or all integers"),
    (int | str, "no column type for"),
    (list[type], "list.* cannot be written as JSON"),
    (list[asyncio.Future], "list.*Future.* cannot be stored, not even as JSON"),  # type: ignore[type-arg]  # a type that nothing can store
    (Decimal, "needs max_digits and decimal_places"),
    (Annotated[Decimal, Field(max_digits=16, decimal_places=2)], "16 digits is not exact"),
    (complex, "no column type for complex"),
    (object, "cannot be stored|no column type for object"),
    ("Nowhere", "Nowhere is not known where the table is defined"),
]


@pytest.mark.parametrize(("annotation", "message"), REFUSED, ids=str)
def test_a_type_without_a_column_type_is_refused(annotation: Any, message: str) -> None:
    with pytest.raises(ColumnTypeError, match=message) as caught:

        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            value: annotation

    assert "Row.value" in str(caught.value)


def test_core_statements_convert_values(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        priority: Priority = Priority.LOW
        tags: list[str] = Field(default_factory=list)

    db.create_all()
    with db.session() as session:
        session.exec(
            insert(Row).values(
                [{"tags": ["a"], "priority": "high"}, {"tags": [], "priority": Priority.LOW}]
            )
        )
        session.commit()
        assert [row.tags for row in session.exec(select(Row).order_by("id"))] == [["a"], []]
        session.exec(update(Row).values(tags=["z"]))
        assert session.exec(select(col(Row.priority)).order_by("id")).all() == [
            Priority.HIGH,
            Priority.LOW,
        ]


def test_a_table_without_a_declared_key_has_id() -> None:
    class Row(SQLModel, table=True):
        id: int

    assert [column.name for column in sa.inspect(Row).primary_key] == ["id"]


def test_a_table_without_a_key_says_what_to_add() -> None:
    with pytest.raises(ModelError, match=r"Row is a table without a primary key.*Field\(default"):

        class Row(SQLModel, table=True):
            name: str


def test_a_key_can_be_declared_in_a_constraint_or_column() -> None:
    class Row(SQLModel, table=True):
        __table_args__ = (sa.PrimaryKeyConstraint("a", "b"),)
        a: int
        b: int
        id: int

    assert [column.name for column in sa.inspect(Row).primary_key] == ["a", "b"]

    class Other(SQLModel, table=True):
        key: int = Field(sa_column=Column(sa.Integer, primary_key=True))
        id: int

    assert [column.name for column in sa.inspect(Other).primary_key] == ["key"]


@pytest.mark.parametrize("named", [True, False])
def test_the_database_generates_a_big_integer_key(db: Database, named: bool) -> None:
    key: Any = Field(default=None, primary_key=True, sa_type=sa.BigInteger)
    if named:
        key = Field(default=None, sa_column=sa.Column(sa.BigInteger, primary_key=True))

    class Event(SQLModel, table=True):
        id: int | None = key
        name: str

    db.create_all()
    assert "id" not in schemas(Event).create.model_fields
    with serving(Resource(Event, db)) as client:
        assert client.post("/events", json={"name": "a"}).json() == {"id": 1, "name": "a"}
        created = client.post("/events:batch", json=[{"name": "b"}, {"name": "c"}])
        assert [row["id"] for row in created.json()] == [2, 3]


def test_a_secret_outside_of_json_is_refused() -> None:
    with pytest.raises(ColumnTypeError, match=r"no column type for SecretStr.*secret=True"):

        class Account(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            password: SecretStr
