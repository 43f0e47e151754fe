"""A value goes into a row and comes back the same, on every database."""

import asyncio
import enum
import ipaddress
import uuid
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, NaiveDatetime, PositiveInt, StringConstraints
from sqlalchemy.exc import IntegrityError, StatementError
from typing_extensions import TypedDict

from colonnade import (
    Column,
    Database,
    Field,
    SQLModel,
    String,
    UTCDateTime,
    col,
    insert,
    select,
    text,
    update,
)
from colonnade.errors import ColumnTypeError, ModelError, StoredValueError


class Priority(enum.Enum):
    LOW = "low"
    HIGH = "high"


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


class Theme(BaseModel):
    name: str = "plain"
    since: date = date(2020, 1, 1)
    colours: list[str] = []


class Point(TypedDict):
    x: int
    y: int


Slug = NewType("Slug", str)


def store_and_read(db: Database, row: SQLModel) -> Any:
    """What a new session reads of a row that was stored."""
    model = type(row)
    db.create_all()
    with db.session() as session:
        session.add(row)
        session.commit()
        key = sa.inspect(row).identity
    with db.session() as session:
        return session.get(model, key)


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
def test_a_value_comes_back_as_it_went_in(db: Database, annotation: Any, value: Any) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation

    read = store_and_read(db, Row(value=value))
    assert read.value == value
    assert isinstance(read.value, type(value))


@pytest.mark.parametrize(
    "annotation",
    [
        Literal["a", "b"],
        Optional[Literal["a", "b"]],
        Annotated[Literal["a", "b"], Field(index=True)],
        Priority,
    ],
)
def test_the_database_refuses_what_is_not_among_the_values(db: Database, annotation: Any) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation

    db.create_all()
    with db.session() as session, pytest.raises(IntegrityError, match="ck_row_value_values"):
        session.connection().execute(text("INSERT INTO row (id, value) VALUES (1, 'z')"))
        session.commit()


BOUNDS: list[tuple[Any, str, Any, Any]] = [
    (Annotated[int, Field(ge=1)], "ge", 1, 0),
    (Annotated[int, Field(gt=0)], "gt", 1, 0),
    (PositiveInt, "gt", 1, 0),
    (Annotated[int, Field(le=9)], "le", 9, 10),
    (Annotated[int, Field(lt=10)], "lt", 9, 10),
    (Optional[Annotated[int, Field(ge=1)]], "ge", 1, 0),
    (Annotated[int | None, Field(ge=1)], "ge", None, 0),
    (Annotated[float, Field(le=0.5)], "le", 0.5, 0.75),
    (Annotated[Decimal, Field(max_digits=6, decimal_places=2, ge=Decimal("0.01"))], "ge",
     Decimal("0.01"), Decimal("0.00")),
    (Annotated[date, Field(ge=date(2020, 1, 1))], "ge", date(2020, 1, 1), date(2019, 12, 31)),
    (Annotated[datetime, Field(ge=datetime(2020, 1, 1, tzinfo=UTC))], "ge",
     datetime(2020, 1, 1, tzinfo=UTC), datetime(2019, 12, 31, 23, 59, tzinfo=UTC)),
    (Annotated[str, Field(max_length=3)], "max_length", "äöü", "abcd"),
    (Annotated[str, Field(min_length=2)], "min_length", "ab", "a"),
    (Annotated[str, StringConstraints(max_length=3)], "max_length", "abc", "abcd"),
    (Annotated[bytes, Field(max_length=2)], "max_length", b"\xff\xff", b"abc"),
    (Annotated[list[int], Field(max_length=1)], "max_length", [1], [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "bound", "inside", "outside"), BOUNDS, ids=str)
def test_the_database_keeps_a_bound(
    db: Database, annotation: Any, bound: str, inside: Any, outside: Any
) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation

    assert store_and_read(db, Row(value=inside)).value == inside
    with db.session() as session, pytest.raises(IntegrityError, match=f"ck_row_value_{bound}"):
        session.add(Row(value=outside))
        session.commit()


def test_bounds_of_a_shared_base_are_kept_by_each_table(db: Database) -> None:
    class Base(SQLModel):
        status: Literal["open", "done"] = "open"
        percent: int = Field(default=0, ge=0, le=100)
        note: str = Field(default="", sa_column=Column(String(20), nullable=False))

    class One(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Two(Base, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    for model in (One, Two):
        with db.session() as session, pytest.raises(IntegrityError):
            session.add(model(percent=101))
            session.commit()


def test_every_constraint_has_a_name(db: Database) -> None:
    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Member(SQLModel, table=True):
        __table_args__ = (
            sa.UniqueConstraint("name", "team_id"),
            sa.CheckConstraint("length(name) > 0"),
        )
        id: int | None = Field(default=None, primary_key=True)
        name: str
        slug: str = Field(unique=True)
        team_id: int | None = Field(default=None, foreign_key="team.id", index=True)

    db.create_all()
    inspector = sa.inspect(db.engine)
    assert inspector.get_pk_constraint("member")["name"] == "pk_member"
    assert inspector.get_foreign_keys("member")[0]["name"] == "fk_member_team_id_team"
    unique = {constraint["name"] for constraint in inspector.get_unique_constraints("member")}
    assert unique == {"uq_member_slug", "uq_member_name_team_id"}
    checks = [constraint["name"] for constraint in inspector.get_check_constraints("member")]
    assert len(checks) == 1
    assert str(checks[0]).startswith("ck_member_")
    assert [index["name"] for index in inspector.get_indexes("member") if not index["unique"]] == [
        "ix_member_team_id"
    ]


def test_a_name_too_long_for_postgresql_is_shortened_the_same_everywhere() -> None:
    class Row(SQLModel, table=True):
        __tablename__ = "t" * 50
        id: int | None = Field(default=None, primary_key=True)
        a_column_with_quite_a_long_name: int = Field(ge=0)
        a_column_with_quite_a_long_name_too: int = Field(ge=0)

    names = {str(constraint.name) for constraint in Row.__table__.constraints}
    assert len(names) == 3
    assert all(len(name) <= 63 for name in names)


def test_a_naming_convention_of_the_metadata_counts() -> None:
    convention = {"ix": "ix_%(column_0_label)s", "pk": "primary_%(table_name)s"}
    SQLModel.metadata.naming_convention = convention
    try:

        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        assert Row.__table__.primary_key.name == "primary_row"
    finally:
        SQLModel.metadata.naming_convention = {"ix": "ix_%(column_0_label)s"}


def test_rows_that_hold_member_names_are_still_read(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        priority: Priority

    with db.engine.begin() as connection:  # as stock sqlmodel would have it
        connection.execute(text("CREATE TABLE row (id INTEGER PRIMARY KEY, priority VARCHAR)"))
        connection.execute(text("INSERT INTO row VALUES (1, 'HIGH'), (2, 'low'), (3, 'huh')"))
    with db.session() as session:
        read = [session.get_one(Row, key).priority for key in (1, 2)]
        assert read == [Priority.HIGH, Priority.LOW]
        with pytest.raises(StoredValueError, match="'huh' is not a value of Priority"):
            session.get(Row, 3)


def test_an_enum_is_compared_by_member_value_and_text(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        priority: Priority

    store_and_read(db, Row(priority=Priority.HIGH))
    column = sa.inspect(Row).c.priority
    with db.session() as session:
        for condition in (
            column == Priority.HIGH,
            column == "high",
            column.in_([Priority.HIGH]),
            column.startswith("hi"),
            column != Priority.LOW,
        ):
            assert session.exec(select(Row).where(condition)).one().priority is Priority.HIGH


@pytest.mark.parametrize("number", ["1.005", "10000", "NaN", "Infinity", 1.005])
def test_a_decimal_that_would_not_come_back_is_refused(db: Database, number: Any) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        price: Decimal = Field(max_digits=6, decimal_places=2)

    db.create_all()
    price: Any = number if isinstance(number, float) else Decimal(number)
    with (
        db.session() as session,
        pytest.raises(StatementError, match="does not fit a decimal of 6"),
    ):
        session.add(Row(price=price))
        session.commit()


def test_a_decimal_is_compared_with_any_number(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        price: Decimal = Field(max_digits=6, decimal_places=2)

    store_and_read(db, Row(price=Decimal("9.90")))
    store_and_read(db, Row(price=Decimal("10.00")))
    with db.session() as session:
        assert len(session.exec(select(Row).where(Row.price > Decimal("9.905"))).all()) == 1
        assert session.exec(select(sa.func.sum(Row.price))).one() == Decimal("19.90")
        prices = [row.price for row in session.exec(select(Row).order_by("price")).all()]
        assert prices == [Decimal("9.90"), Decimal("10.00")]


def test_a_naive_datetime_is_local_time_and_comes_back_in_utc(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: datetime = Field(default_factory=datetime.now)

    db.create_all()
    naive = datetime(2024, 7, 1, 12)
    with db.session() as session:
        row = Row(at=naive)
        other = Row(at=datetime(2024, 7, 1, 12, tzinfo=timezone(timedelta(hours=5))))
        session.add_all([row, other, Row()])
        session.commit()
        # Without being read again, a row shows what it stored.
        assert (row.at, row.at.tzinfo) == (naive.astimezone(UTC), UTC)
        session.expire_all()
        assert (row.at, row.at.tzinfo) == (naive.astimezone(UTC), UTC)
        assert other.at == datetime(2024, 7, 1, 7, tzinfo=UTC)
        session.exec(update(Row).where(sa.column("id") == row.id).values(at=naive))
        assert session.exec(select(Row).where(Row.at == naive)).one() is row


def test_utcdatetime_is_sqlmodels_with_naive_values() -> None:
    import sqlmodel

    assert issubclass(UTCDateTime, sqlmodel.UTCDateTime)


REFUSED: list[tuple[Any, str]] = [
    (Literal["a", 1], "must be all text or all integers, and this one has 'a', 1"),
    (Literal[True], "all text or all integers"),
    (Literal[b"a"], "all text or all integers"),
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
def test_a_type_no_column_holds_is_refused_where_the_class_is_defined(
    annotation: Any, message: str
) -> None:
    with pytest.raises(ColumnTypeError, match=message) as caught:

        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            value: annotation

    assert "Row.value" in str(caught.value)


def test_json_that_the_type_does_not_accept_is_named(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        theme: Theme

    store_and_read(db, Row(theme=Theme()))
    with db.session() as session:
        session.connection().execute(text("""UPDATE row SET theme = '{"name": []}'"""))
        session.commit()
    with db.session() as session, pytest.raises(StoredValueError, match=r"Row\.theme holds JSON"):
        session.get(Row, 1)


def test_json_is_jsonb_on_postgresql_and_can_be_asked(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        data: dict[str, Any]

    store_and_read(db, Row(data={"a": {"b": 1}, "c": "x"}))
    column = sa.inspect(Row).c.data
    kind = sa.inspect(db.engine).get_columns("row")[1]["type"]
    assert str(kind) == ("JSONB" if db.url.backend == "postgresql" else "JSON")
    with db.session() as session:
        assert session.exec(select(Row).where(column["a"]["b"].as_integer() == 1)).all()
        assert not session.exec(select(Row).where(column["c"].as_string() == "y")).all()
        assert session.exec(select(Row).where(column == {"a": {"b": 1}, "c": "x"})).all()


def test_core_statements_convert_as_rows_do(db: Database) -> None:
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


def test_a_table_that_names_no_key_has_id() -> None:
    class Row(SQLModel, table=True):
        id: int

    assert [column.name for column in sa.inspect(Row).primary_key] == ["id"]


def test_a_table_without_a_key_says_what_to_add() -> None:
    with pytest.raises(ModelError, match=r"Row is a table without a primary key.*Field\(default"):

        class Row(SQLModel, table=True):
            name: str


def test_a_key_may_be_said_elsewhere() -> None:
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
