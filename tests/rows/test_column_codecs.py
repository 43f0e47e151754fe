"""The database writes the same JSON as Pydantic, for every type of column."""

import itertools
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Network
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    HttpUrl,
    SecretStr,
)
from sqlalchemy import REAL, DateTime, Dialect, String, TypeDecorator

from colonnade import Database, Field, SQLModel
from tests.rows.writers import by_database, by_pydantic


class Colour(Enum):
    RED = "player"
    GREEN = "green, or 'so'"


class Level(Enum):
    LOW = 1
    HIGH = 2


class Point(BaseModel):
    x: int = 0
    y: int | None = None


class Hook(BaseModel):
    token: SecretStr


class Kind(NamedTuple):
    """A kind of column: its annotation, its field's arguments, its values."""

    annotation: Any
    field: dict[str, Any]
    values: st.SearchStrategy[Any]


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


moments = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


URLS = [HttpUrl("https://example.com"), HttpUrl("http://exämple.com:8080/a?b=ü#c")]


KINDS: dict[str, Kind] = {
    "text": Kind(str, {}, text),
    "integer": Kind(int, {}, st.integers(-(2**31), 2**31 - 1)),
    "bigint": Kind(int, {"ge": -(2**62)}, st.integers(-(2**62), 2**63 - 1)),
    "float": Kind(float, {}, st.floats(allow_nan=False, allow_infinity=False)),
    "boolean": Kind(bool, {}, st.booleans()),
    "money": Kind(
        Decimal,
        {"max_digits": 15, "decimal_places": 2},
        st.decimals(-(10**13) + 1, 10**13 - 1, places=2),
    ),
    "tiny": Kind(Decimal, {"max_digits": 10, "decimal_places": 8}, st.decimals(-99, 99, places=8)),
    "moment": Kind(datetime, {}, moments),
    "date": Kind(date, {}, st.dates()),
    "time": Kind(time, {}, st.times()),
    "span": Kind(timedelta, {}, st.timedeltas(timedelta(days=-700_000), timedelta(days=2_900_000))),
    "uuid": Kind(UUID, {}, st.uuids()),
    "bytes": Kind(bytes, {}, st.binary(max_size=90)),
    "enum": Kind(Colour, {}, st.sampled_from(Colour)),
    "level": Kind(Level, {}, st.sampled_from(Level)),
    "literal": Kind(Literal["a", "b'c"], {}, st.sampled_from(["a", "b'c"])),
    "number": Kind(Literal[1, 20], {}, st.sampled_from([1, 20])),
    "list": Kind(list[str], {}, st.lists(text, max_size=3)),
    "dict": Kind(dict[str, Any], {}, st.dictionaries(text, plain, max_size=3)),
    "floats": Kind(
        list[float], {}, st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3)
    ),
    "model": Kind(
        Point, {}, st.builds(Point, x=st.integers(-9, 9), y=st.none() | st.integers(-9, 9))
    ),
    "ip": Kind(IPv4Address, {}, st.ip_addresses(v=4)),
    "url": Kind(HttpUrl, {}, st.sampled_from(URLS)),
    "real": Kind(
        float, {"sa_type": REAL}, st.floats(allow_nan=False, allow_infinity=False, width=32)
    ),
    "naive": Kind(datetime, {"sa_type": DateTime}, st.datetimes()),
    "secret": Kind(Hook, {}, text.map(lambda token: Hook(token=SecretStr(token)))),
    "network": Kind(IPv6Network, {}, st.just(IPv6Network("2001:db8::/32"))),
}


_numbers = itertools.count()


make_model: Any = type(SQLModel)


class Example(NamedTuple):
    """A model and rows of it."""

    model: Any
    rows: list[dict[str, Any]]


@st.composite
def tables(draw: st.DrawFn) -> Example:
    names = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=6, unique=True))
    annotations: dict[str, Any] = {"id": int | None}
    namespace: dict[str, Any] = {"id": Field(default=None, primary_key=True)}
    values: dict[str, st.SearchStrategy[Any]] = {}
    for name in names:
        kind = KINDS[name]
        nullable = draw(st.booleans())
        alias = draw(st.sampled_from([None, "as " + name, "it's \"" + name]))
        annotations[f"{name}_"] = kind.annotation | None if nullable else kind.annotation
        shown: dict[str, Any] = {"serialization_alias": alias} if alias else {}
        namespace[f"{name}_"] = Field(**kind.field, **shown)
        values[f"{name}_"] = st.none() | kind.values if nullable else kind.values
    number = next(_numbers)
    body = {
        **namespace,
        "__annotations__": annotations,
        "__module__": __name__,
        "__tablename__": f"made_{number}",
    }
    model = make_model(f"Example{number}", (SQLModel,), body, table=True)
    rows = draw(st.lists(st.fixed_dictionaries(values), max_size=4))
    return Example(model, rows)


@given(example=tables())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_database_writes_what_pydantic_writes(db: Database, example: Example) -> None:
    table = example.model.__table__
    table.create(db.engine)
    try:
        with db.session() as session:
            session.add_all([example.model(**row) for row in example.rows])
            session.commit()
        assert by_database(db, example.model) == by_pydantic(db, example.model)
    finally:
        table.drop(db.engine)
        SQLModel.metadata.remove(table)


@pytest.fixture
def events(db: Database) -> Any:
    class Event(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: datetime
        wall: datetime = Field(sa_type=DateTime)

    db.create_all()
    return Event


@pytest.mark.slow
@pytest.mark.only_on("sqlite")
@given(
    moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),
    offset=st.none() | st.integers(-14 * 60, 14 * 60),
    separator=st.sampled_from(" T"),
    timespec=st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
    zulu=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_datetimes_stored_by_other_programs_are_read(
    db: Database,
    events: Any,
    moment: datetime,
    offset: int | None,
    separator: str,
    timespec: str,
    zulu: bool,
) -> None:
    there = moment.astimezone(timezone(timedelta(minutes=offset or 0)))
    stored = there.isoformat(separator, timespec)
    if offset is None:
        stored = stored.removesuffix("+00:00") + ("Z" if zulu else "")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM event")
        connection.exec_driver_sql("INSERT INTO event VALUES (1, ?, ?)", (stored, stored))
    (row,) = by_database(db, events)
    assert [row] == by_pydantic(db, events)
    for operator in ("", "__gte", "__lte"):
        assert by_database(db, events, f"at{operator}={row['at']}") == [row]
    assert by_database(db, events, f"at__ne={row['at']}") == []


def test_every_character_of_a_text_survives(db: Database, words: Any) -> None:
    assert by_database(db, words) == by_pydantic(db, words)


def test_member_names_in_an_old_database_are_written_as_values(db: Database) -> None:
    class Paint(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        colour: Colour

    db.create_all()
    with db.engine.begin() as connection:
        if db.url.backend == "postgresql":
            connection.exec_driver_sql("ALTER TABLE paint DROP CONSTRAINT ck_paint_colour_values")
        else:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = on")
        connection.exec_driver_sql("INSERT INTO paint (colour) VALUES ('GREEN')")
    assert by_database(db, Paint) == [{"id": 1, "colour": Colour.GREEN.value}]
    assert by_database(db, Paint) == by_pydantic(db, Paint)


class Trimmed(TypeDecorator[str]):
    """A type that only writes in its own way."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return value and value.strip()


class Tagged(TypeDecorator[str]):
    """A type that asks for the dialect."""

    impl = String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return value if dialect.name == "oracle" else f"<{value}>"


def test_type_decorators_process_their_values(db: Database) -> None:
    class Word(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        trimmed: str = Field(sa_type=Trimmed)
        tagged: str = Field(sa_type=Tagged)

    db.create_all()
    with db.session() as session:
        session.add(Word(trimmed=" a ", tagged="b"))
        session.commit()
    rows = [{"id": 1, "trimmed": "a", "tagged": "<b>"}]
    assert by_database(db, Word) == by_pydantic(db, Word) == rows
