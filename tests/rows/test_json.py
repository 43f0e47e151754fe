"""What the database writes as JSON equals what Pydantic writes, whatever the model and rows."""

import itertools
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Network
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    HttpUrl,
    SecretStr,
    StringConstraints,
    computed_field,
    field_serializer,
)
from sqlalchemy import REAL, DateTime, Dialect, Integer, Numeric, String, TypeDecorator

from colonnade import Database, Field, Relationship, Schemas, SQLModel, Versioned, schemas, select
from colonnade.query import NO_SCOPES, PageReader, QueryableTable
from colonnade.rows import View, page_statement


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


def by_database(db: Database, model: Any, query: str = "", **surface: Any) -> Any:
    """What an answer of the database says, parsed."""
    reader = PageReader(QueryableTable.of(model, **surface))
    page = reader.read([tuple(part.split("=")) for part in query.split("&") if part])  # type: ignore[misc]  # two parts, which split does not tell
    view = View(reader.queryable, page.fields, page.include)
    statement = page_statement(page, view, db.url.backend)
    window = {**page.parameters(), "limit_": page.limit + 1, "shown_": page.limit}
    with db.engine.connect() as connection:
        body = connection.execute(statement, window).one().body
    rows = json.loads(body)
    return rows if view.is_exact else [json.loads(view.render(row)) for row in rows]


def by_pydantic(db: Database, model: Any) -> Any:
    """What FastAPI would answer with: the rows, through the read schema."""
    read = schemas(model).read
    with db.session() as session:
        rows = session.exec(select(model).order_by(model.id)).all()
        return [
            json.loads(
                read.model_validate(row, from_attributes=True).model_dump_json(by_alias=True)
            )
            for row in rows
        ]


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


@pytest.mark.only_on("sqlite")
@given(
    moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),
    offset=st.none() | st.integers(-14 * 60, 14 * 60),
    separator=st.sampled_from(" T"),
    timespec=st.sampled_from(["auto", "seconds", "milliseconds", "microseconds"]),
    zulu=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_moments_that_other_programs_stored(
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


@pytest.fixture
def words(db: Database) -> Any:
    class Word(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        word: str = ""

    db.create_all()
    with db.session() as session:
        session.add(Word(word='a\tb\n"c"\\ 😀 \x7f\u2028'))
        session.commit()
    return Word


def test_every_sign_of_a_text_survives(db: Database, words: Any) -> None:
    assert by_database(db, words) == by_pydantic(db, words)


def test_no_rows_are_an_empty_array(db: Database, words: Any) -> None:
    assert by_database(db, words, "word=none") == []


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


def test_a_table_of_more_columns_than_a_function_takes_arguments(db: Database) -> None:
    names = [f"column_{index}" for index in range(150)]
    body = {
        "__annotations__": {"id": int | None, **dict.fromkeys(names, int)},
        "id": Field(default=None, primary_key=True),
        **{name: index for index, name in enumerate(names)},
        "__module__": __name__,
    }
    wide = make_model("Wide", (SQLModel,), body, table=True)
    db.create_all()
    with db.session() as session:
        session.add(wide())
        session.commit()
    assert by_database(db, wide) == by_pydantic(db, wide)


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


def test_types_with_python_of_their_own(db: Database) -> None:
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


class TestThePath:
    """A schema that only Pydantic can write is written by Pydantic, and says why."""

    def why(self, model: Any, **surface: Any) -> tuple[str, ...]:
        return View(QueryableTable.of(model, **surface)).fallback_reasons

    def test_plain_columns_are_written_by_the_database(self, words: Any) -> None:
        assert self.why(words) == ()

    def test_a_computed_field(self, db: Database) -> None:
        class Name(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            first: str
            last: str

            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def whole(self) -> str:
                return f"{self.first} {self.last}"

        assert self.why(Name) == ("NameRead.whole is a computed field",)
        db.create_all()
        with db.session() as session:
            session.add(Name(first="Ada", last="Lovelace"))
            session.commit()
        assert by_database(db, Name) == by_pydantic(db, Name)
        assert by_database(db, Name)[0]["whole"] == "Ada Lovelace"
        assert by_database(db, Name, "fields=last") == [{"last": "Lovelace"}]

    def test_a_computed_field_of_what_nobody_sees(self, db: Database) -> None:
        class Account(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            password: str | None = Field(default=None, secret=True)
            first: str = Field(default="a", exclude=True)

            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def is_safe(self) -> bool:
                return self.password is not None and self.first == "a"

        db.create_all()
        with db.session() as session:
            session.add_all([Account(password="x"), Account()])
            session.commit()
        rows = [{"id": 1, "is_safe": True}, {"id": 2, "is_safe": False}]
        assert by_database(db, Account) == by_pydantic(db, Account) == rows
        assert by_database(db, Account, "fields=id") == [{"id": 1}, {"id": 2}]

    def test_a_serializer_of_a_field_that_is_not_asked_for(self, db: Database) -> None:
        class Book(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str
            name: str

            @field_serializer("name")
            def whole(self, name: str) -> str:
                return f"{self.title}: {name}"

        db.create_all()
        with db.session() as session:
            session.add(Book(title="t", name="n"))
            session.commit()
        assert by_database(db, Book, "fields=name") == [{"name": "t: n"}]

    def test_a_field_of_another_type_than_its_column(self, db: Database) -> None:
        class Odd(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            ratio: float = Field(sa_type=Numeric(10, 2))
            count: int = Field(sa_type=Numeric(20, 0))
            flag: bool = Field(sa_type=Integer)

        assert len(self.why(Odd)) == 3
        db.create_all()
        with db.session() as session:
            session.add(Odd(ratio=1.5, count=3, flag=True))
            session.commit()
        assert by_database(db, Odd) == [{"id": 1, "ratio": 1.5, "count": 3, "flag": True}]

    def test_what_changes_a_value_on_the_way(self, words: Any, db: Database) -> None:
        class Loud(SQLModel):
            id: int
            word: Annotated[str, StringConstraints(to_upper=True)]

        class Shy(SQLModel):
            id: int
            word: str | None = Field(schema_extra={"exclude_if": lambda word: len(word) > 3})

        class Short(SQLModel):
            id: int
            word: Annotated[str, StringConstraints(max_length=100)]

        assert self.why(words, read=Loud)
        assert by_database(db, words, read=Loud)[0]["word"].startswith("A\tB")
        assert by_database(db, words, read=Shy) == [{"id": 1}]
        assert self.why(words, read=Short) == ()

    def test_names_that_are_each_others(self, db: Database) -> None:
        class Swap(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            a: str = Field(alias="b")
            b: str = Field(alias="a")
            data: bytes = b""

        db.create_all()
        with db.session() as session:
            make: Any = Swap
            swap = make(data=b"")
            swap.a, swap.b = "A", "B"
            session.add(swap)
            session.commit()
        assert by_database(db, Swap) == [{"id": 1, "b": "A", "a": "B", "data": ""}]
        assert by_database(db, Swap, "fields=a") == [{"a": "B"}]

    def test_a_serializer(self, db: Database) -> None:
        class Price(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            cents: int

            @field_serializer("cents")
            def euros(self, cents: int) -> str:
                return f"{cents / 100:.2f} €"

        assert self.why(Price) == ("PriceRead.euros is a serializer",)
        db.create_all()
        with db.session() as session:
            session.add(Price(cents=1234))
            session.commit()
        assert by_database(db, Price) == [{"id": 1, "cents": "12.34 €"}]

    def test_a_schema_of_another_type(self, words: Any, db: Database) -> None:
        class NoteRead(SQLModel):
            id: str
            word: str

        (why,) = self.why(words, read=NoteRead)
        assert why == "NoteRead.id has another type than its column"

    def test_a_nested_model_and_what_else_has_no_exact_form(self) -> None:
        class Thing(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            point: Point
            span: timedelta
            data: bytes

        assert len(self.why(Thing)) == 2


class TestIncludes:
    """Relations are written along with their rows, however deep."""

    @pytest.fixture
    def models(self, db: Database) -> Any:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            players: list["Player"] = Relationship(back_populates="team")

        class Player(Versioned, table=True):
            id: int | None = Field(default=None, primary_key=True)
            born: date
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship(back_populates="players")

        db.create_all()
        with db.session() as session:
            born = [date(1990 + year, 1, 1) for year in range(5)]
            session.add(Team(name="Reds", players=[Player(born=day) for day in born]))
            session.add(Team(name="Blues"))
            session.add(Player(born=date(2000, 1, 1)))
            session.commit()
        return Team, Player

    def test_lists_and_single_rows(self, db: Database, models: Any) -> None:
        team, player = models
        include = ["players.team"]
        reds, blues = by_database(db, team, "include=players.team", include=include)
        assert [player["team"]["name"] for player in reds["players"]] == ["Reds"] * 5
        assert [player["id"] for player in reds["players"]] == [1, 2, 3, 4, 5]
        assert blues["players"] == []
        *_, alone = by_database(db, player, "include=team", include=["team"])
        assert alone["team"] is None

    def test_a_limit_for_each_parent(self, db: Database, models: Any) -> None:
        reds, _ = by_database(db, models[0], "include=players:2", include=["players"])
        assert [player["id"] for player in reds["players"]] == [1, 2]

    def test_a_relation_that_the_schema_has_comes_unasked(self, db: Database, models: Any) -> None:
        team, player = models
        derived: Schemas = schemas(player)

        class PlayerBrief(SQLModel):
            id: int

        class TeamWithPlayers(SQLModel):
            name: str
            players: list[PlayerBrief] = []

        class TeamLoud(TeamWithPlayers):
            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def loud(self) -> str:
                return self.name.upper()

        assert issubclass(derived.read, SQLModel)
        for shown in (TeamWithPlayers, TeamLoud):
            (first, _) = by_database(db, team, "fields=name", read=shown)
            assert first == {"name": "Reds", "players": [{"id": n} for n in range(1, 6)]}
        assert by_database(db, team, read=TeamWithPlayers)[0] == {
            "name": "Reds",
            "players": [{"id": number} for number in range(1, 6)],
        }

    def test_where_pydantic_writes_one_level_it_writes_that_level(
        self, db: Database, models: Any
    ) -> None:
        team, _ = models

        class TeamShown(SQLModel):
            id: int
            name: str

            @computed_field  # type: ignore[prop-decorator]  # mypy has no stacked property decorators
            @property
            def loud(self) -> str:
                return self.name.upper()

        assert by_database(db, team, "fields=name", read=TeamShown)[0] == {"name": "Reds"}
        rows = by_database(db, team, "include=players:1", read=TeamShown, include=["players"])
        assert rows[0]["players"][0].pop("version") > 0
        assert rows[0] == {
            "id": 1,
            "name": "Reds",
            "loud": "REDS",
            "players": [{"id": 1, "born": "1990-01-01", "team_id": 1}],
        }


def test_scopes_are_none_unless_declared() -> None:
    assert not NO_SCOPES
