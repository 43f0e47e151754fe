"""Filters inside of JSON columns equal a plain Python model, on every database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from colonnade import STANDARD, Database, Field, Resource, SQLModel
from colonnade.testing import counts
from tests.resources.sample_app import serving


class Color(Enum):
    """A color."""

    red = "r"
    blue = "b"


class Hours(BaseModel):
    """Opening hours."""

    open: time | None = None
    close: time | None = None


class Profile(BaseModel):
    """A value of each type."""

    color: Color | None = None
    kind: Literal["a", "b"] = "a"
    level: Literal[1, 2] = 1
    number: int | None = None
    ratio: float | None = None
    price: Decimal | None = None
    on: date | None = None
    at: datetime | None = None
    flag: bool | None = None
    note: str | None = None
    marks: list[int] = []
    hours: dict[str, Hours] = {}


@dataclass
class Items:
    """An app with items, and the items in it."""

    db: Database
    client: TestClient
    model: Any

    def store(self, rows: list[dict[str, Any]]) -> None:
        """Replace all rows."""
        with self.db.session() as session:
            session.connection().execute(self.model.__table__.delete())
            for key, row in enumerate(rows, 1):
                session.add(self.model(id=key, **row))
            session.commit()

    def ids(self, query: dict[str, Any]) -> list[int]:
        """The keys that a request returns."""
        response = self.client.get("/items", params={**query, "fields": "id"})
        assert response.status_code == 200, (query, response.text)
        return [row["id"] for row in response.json()]

    def where(self, condition: dict[str, Any]) -> list[int]:
        """The keys of the rows that meet a condition."""
        return self.ids({"where": to_json(condition).decode()})


@pytest.fixture
def items(db: Database) -> Iterator[Items]:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] = Field(default_factory=list)
        numbers: list[int] | None = None
        free: dict[str, Any] | None = None
        profile: Profile | None = None

    db.create_all()
    with serving(Resource(Item, db, operations=STANDARD | {"aggregate"})) as client:
        yield Items(db, client, Item)


TEXTS = ["", "a", "b%", "_", "é", "it's", '"q"', "c,d", "\\", "x" * 300, "1", "true", "null", "😀"]
INTEGERS = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, 0.1, -2.5, 1e22, 1.0, 5e-324]
PRICES = [Decimal(text) for text in ("0", "0.1", "10.50", "-3", "99999.99")]
DAYS = [date(2026, 1, 1), date(1999, 12, 31)]
TIMES = [time(9), time(9, 30, 0, 500000), time(23, 59, 59)]
MOMENTS = [
    datetime(2026, 1, 1, 12, tzinfo=UTC),
    datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC),
]
INNER = ["a", "a.b", "é", "length", "and", "0", "%"]  # not eq, which is an operator there
KEYS = ["a", "a.b", "é", "sp ace", "q'", "length", "eq", "and", "0", "%"]

texts = st.sampled_from(TEXTS)
scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), texts, st.sampled_from(INTEGERS), st.sampled_from(FLOATS)
)
free_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=4,
)


def maybe(values: list[Any]) -> st.SearchStrategy[Any]:
    """One of the values, or None."""
    return st.none() | st.sampled_from(values)


profiles = st.builds(
    Profile,
    color=maybe(list(Color)),
    kind=st.sampled_from(["a", "b"]),
    level=st.sampled_from([1, 2]),
    number=maybe(INTEGERS),
    ratio=maybe(FLOATS),
    price=maybe(PRICES),
    on=maybe(DAYS),
    at=maybe(MOMENTS),
    flag=maybe([True, False]),
    note=maybe(TEXTS),
    marks=st.lists(st.sampled_from([1, 2, 3]), max_size=3),
    hours=st.dictionaries(
        st.sampled_from(["monday", "a.b", "é"]),
        st.builds(Hours, open=maybe(TIMES), close=maybe(TIMES)),
        max_size=2,
    ),
)
rows_of_items = st.lists(
    st.fixed_dictionaries(
        {
            "tags": st.lists(texts, max_size=3),
            "numbers": st.none() | st.lists(st.sampled_from(INTEGERS), max_size=3),
            "free": st.none() | st.dictionaries(st.sampled_from(KEYS), free_values, max_size=4),
            "profile": st.none() | profiles,
        }
    ),
    min_size=1,
    max_size=6,
)

Test = Callable[[Any, Any], bool]
ORDER: dict[str, Test] = {
    "lt": lambda value, operand: value < operand,
    "lte": lambda value, operand: value <= operand,
    "gt": lambda value, operand: value > operand,
    "gte": lambda value, operand: value >= operand,
}
SEARCH: dict[str, Test] = {
    "contains": lambda value, operand: operand in value,
    "startswith": lambda value, operand: value.startswith(operand),
    "endswith": lambda value, operand: value.endswith(operand),
}


def is_same(value: Any, operand: Any) -> bool:
    """Whether JSON values are equal; 1 is not true."""
    return isinstance(value, bool) == isinstance(operand, bool) and bool(value == operand)


def is_comparable(value: Any, operand: Any) -> bool:
    """Whether JSON values have the same type."""
    if isinstance(value, bool) or isinstance(operand, bool):
        return False
    numbers = int | float
    return isinstance(value, type(operand)) or (
        isinstance(value, numbers) and isinstance(operand, numbers)
    )


def holds(operator: str, value: Any, operand: Any) -> bool:
    """Whether a comparison holds for a value that may be missing."""
    if operator == "is_null":
        return (value is None) is operand
    if operator in {"ne", "not_in"}:
        return not holds({"ne": "eq", "not_in": "in"}[operator], value, operand)
    if value is None:
        return False
    if operator == "eq":
        return is_same(value, operand)
    if operator == "in":
        return any(is_same(value, item) for item in operand)
    if operator in ORDER:
        return is_comparable(value, operand) and ORDER[operator](value, operand)
    if isinstance(value, list):
        wanted = operand if operator == "overlaps" else [operand]
        return any(is_same(item, other) for item in value for other in wanted)
    are_texts = isinstance(value, str) and isinstance(operand, str)
    return are_texts and SEARCH[operator](value, operand)


def value_at(row: dict[str, Any], path: list[str]) -> Any:
    """The value that names lead to; None if it is not there."""
    column, *steps = path
    value = row[column]
    for step in steps:
        if isinstance(value, list) and step == "length" and column != "free":
            value = len(value)
        elif isinstance(value, BaseModel):
            value = getattr(value, step)
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


TYPED: dict[str, list[Any]] = {
    "color": list(Color), "kind": ["a", "b"], "level": [1, 2], "number": INTEGERS,
    "ratio": FLOATS, "price": PRICES, "on": DAYS, "at": MOMENTS, "flag": [True, False],
    "note": TEXTS,
}  # fmt: skip
UNORDERED = {"color", "kind", "level", "flag", "note"}  # the order of texts is the collation's


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[list[str], str, Any]:
    """A path, an operator and an operand."""
    kind = draw(st.sampled_from(["tags", "numbers", "length", "typed", "typed", "hours", "free"]))
    if kind in {"tags", "numbers"}:
        values: list[Any] = TEXTS if kind == "tags" else INTEGERS
        operator = draw(st.sampled_from(["contains", "overlaps"]))
        return [kind], operator, draw(operands(operator, values))
    if kind == "length":
        path = draw(st.sampled_from([["tags"], ["numbers"], ["profile", "marks"]]))
        operator = draw(st.sampled_from(["eq", "ne", "gt", "lte", "in", "is_null"]))
        return [*path, "length"], operator, draw(operands(operator, [0, 1, 2]))
    if kind == "hours":
        day = draw(st.sampled_from(["monday", "a.b", "é", "none"]))
        operator = draw(st.sampled_from(["eq", "ne", "in", "not_in", "is_null", *ORDER]))
        path = ["profile", "hours", day, draw(st.sampled_from(["open", "close"]))]
        return path, operator, draw(operands(operator, TIMES))
    if kind == "typed":
        name = draw(st.sampled_from(list(TYPED)))
        operators = ["eq", "ne", "in", "not_in", "is_null"]
        operators += [*ORDER] if name not in UNORDERED else []
        operators += [*SEARCH] if name == "note" else []
        operator = draw(st.sampled_from(operators))
        return ["profile", name], operator, draw(operands(operator, TYPED[name]))
    path = [
        "free",
        draw(st.sampled_from(KEYS)),
        *draw(st.lists(st.sampled_from(INNER), max_size=1)),
    ]
    operator = draw(
        st.sampled_from(
            ["eq", "ne", "in", "not_in", "is_null", "contains", "overlaps", "startswith", "gt"]
        )
    )
    values = [*TEXTS, *INTEGERS, *FLOATS, True, False]
    if operator == "startswith":
        values = TEXTS
    if operator == "gt":
        values = [*INTEGERS, *FLOATS]
    return path, operator, draw(operands(operator, values))


def operands(operator: str, values: list[Any]) -> st.SearchStrategy[Any]:
    """Operands of an operator."""
    if operator == "is_null":
        return st.booleans()
    if operator in {"in", "not_in", "overlaps"}:
        return st.lists(st.sampled_from(values), max_size=3)
    return st.sampled_from(values)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(rows=rows_of_items, asks=st.lists(comparisons(), min_size=1, max_size=10))
def test_filters_inside_of_json_equal_a_plain_python_model(
    items: Items, rows: list[dict[str, Any]], asks: list[tuple[list[str], str, Any]]
) -> None:
    items.store(rows)
    for path, operator, operand in asks:
        keys = [
            key for key, row in enumerate(rows, 1) if holds(operator, value_at(row, path), operand)
        ]
        condition: Any = {operator: to_jsonable_python(operand)}
        for name in reversed(path):
            condition = {name: condition}
        assert items.where(condition) == keys, condition
        others = [key for key in range(1, len(rows) + 1) if key not in keys]
        assert items.where({"not": condition}) == others, condition


def test_a_name_with_a_dot_is_not_a_path(items: Items) -> None:
    items.store([{"free": {"a.b": 1}}, {"free": {"a": {"b": 1}}}])
    assert items.where({"free": {"a.b": 1}}) == [1]
    assert items.where({"free": {"a": {"b": 1}}}) == [2]
    assert items.ids({"free__a.b": "1"}) == [1]
    assert items.ids({"free__a__b": "1"}) == [2]


def test_names_may_have_letters_of_any_alphabet(items: Items) -> None:
    items.store([{"free": {"é": {"ключ": "ü", "😀": [1]}}}, {"free": {"e": 1}}])
    assert items.ids({"free__é__ключ": "ü"}) == [1]
    assert items.ids({"free__é__ключ__startswith": "ü"}) == [1]
    assert items.where({"free": {"é": {"😀": {"contains": 1}}}}) == [1]
    assert items.ids({"free__é__is_null": "true"}) == [2]


def test_large_integers_are_compared_with_all_of_their_digits(items: Items) -> None:
    items.store([{"free": {"n": 2**53 + 1}}, {"free": {"n": 2**53}}])
    assert items.ids({"free__n__gt": str(2**53)}) == [1]
    assert items.ids({"free__n__lt": str(2**53 + 1)}) == [2]
    assert items.ids({"free__n": str(2**53 + 1)}) == [1]


def test_the_text_of_a_query_string_is_json_if_the_type_is_free(items: Items) -> None:
    items.store([{"free": {"v": 1}}, {"free": {"v": True}}, {"free": {"v": "1"}}])
    assert items.ids({"free__v": "1"}) == [1]
    assert items.ids({"free__v": "true"}) == [2]
    assert items.ids({"free__v": '"1"'}) == [3]
    assert items.ids({"free__v__in": "1,true"}) == [1, 2]


def test_a_datetime_in_json_without_an_offset_is_in_utc(db: Database, items: Items) -> None:
    if db.url.backend == "postgresql":
        with db.engine.begin() as connection:
            name = connection.exec_driver_sql("SELECT current_database()").scalar()
            connection.exec_driver_sql(f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Kolkata'")
        db.dispose()
    moments = [datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 12, 30, tzinfo=UTC)]
    items.store([{"profile": Profile(at=moment)} for moment in moments])
    assert items.ids({"profile__at": "2026-01-01T12:00:00Z"}) == [1]
    assert items.ids({"profile__at__lt": "2026-01-01T12:15:00Z"}) == [1]
    query = {"group_by": "profile.at.hour", "aggregate": "profile.at.max"}
    response = items.client.get("/items:aggregate", params=query)
    assert response.json() == [
        {"profile.at.hour": "2026-01-01T12:00:00Z", "profile.at.max": "2026-01-01T12:30:00Z"}
    ]


def test_dates_in_json_are_grouped_by_month(items: Items) -> None:
    days = [date(2026, 1, 31), date(2026, 3, 1), None]
    items.store([{"profile": Profile(on=day)} for day in days])
    query = {"group_by": "profile.on.month", "aggregate": "count", "fill": "true"}
    response = items.client.get("/items:aggregate", params=query)
    assert response.json() == [
        {"profile.on.month": "2026-01-01", "count": 1},
        {"profile.on.month": "2026-02-01", "count": 0},
        {"profile.on.month": "2026-03-01", "count": 1},
        {"profile.on.month": None, "count": 1},
    ]


def test_a_filter_inside_of_json_is_one_statement(db: Database, items: Items) -> None:
    items.store([{"tags": ["a"]}])
    query = {"tags__contains": "a", "tags__length__lt": "2", "order_by": "profile.number"}
    items.ids(query)
    with counts(db, exactly=1):
        assert items.ids(query) == [1]


def test_a_path_or_a_value_of_another_type_is_refused(items: Items) -> None:
    for query, message in REFUSED:
        response = items.client.get("/items", params=query)
        assert response.status_code == 422, query
        assert message in response.json()["detail"], query


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"profile__nope": "1"}, "profile has no 'nope'"),
    ({"profile__number": "x"}, "valid integer"),
    ({"profile__color": "red"}, "Input should be 'r' or 'b'"),
    ({"profile__at": "2026-01-01T12:00:00"}, "timezone"),
    ({"profile__hours__monday": "x"}, "cannot be compared as a whole"),
    ({"profile": "x"}, "cannot be compared as a whole"),
    ({"tags": "a"}, "Use one of contains, overlaps, is_null, or its length"),
    ({"tags__icontains": "a"}, "Use one of contains, overlaps, is_null"),
    ({"numbers__contains": "x"}, "valid integer"),
    ({"free__contains": "x"}, "free__contains__eq for its member 'contains'"),
    ({'free__a"b': "1"}, "free has no 'a\"b'"),
    ({"free__" + "x__" * 9: "1"}, "has no"),
    ({"where": '{"free": {"a": [1]}}'}, "a text, a number, true or false"),
    ({"where": '{"free": {"a": {"lt": true}}}'}, "lt does not apply to true and false"),
    ({"where": '{"profile": {"number": null}}'}, "Use is_null"),
    ({"where": '{"tags": {"contains": ["a"]}}'}, "contains takes one element"),
    ({"order_by": "free.a"}, "'free.a' cannot be used to sort"),
]
