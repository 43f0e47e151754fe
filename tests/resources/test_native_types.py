"""Columns of types that only PostgreSQL has: arrays, ranges, addresses, intervals and domains."""

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Optional
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic.networks import IPvAnyAddress
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import Range

from colonnade import (
    STANDARD,
    Column,
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
)
from colonnade.errors import ModelError
from tests.native_types import NATIVE_KINDS, canonical
from tests.resources.sample_app import serving, statements

on_postgresql = pytest.mark.only_on("postgresql")
each_kind = pytest.mark.parametrize("name", sorted(NATIVE_KINDS))


def things(name: str) -> Any:
    """A table with a column of a kind."""
    annotation, column_type = NATIVE_KINDS[name].annotation, NATIVE_KINDS[name].type

    class Thing(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation | None = Field(  # type: ignore[valid-type]  # a parameter
            default=None, sa_type=column_type, nullable=True
        )

    return Thing


def in_json(name: str, value: Any) -> Any:
    """A value of a kind as Pydantic writes it in JSON."""
    adapter: TypeAdapter[Any] = TypeAdapter(NATIVE_KINDS[name].annotation | None)
    return json.loads(adapter.dump_json(value, warnings=False))


# Any value


@on_postgresql
@each_kind
@given(data=st.data())
@settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_value_is_returned_as_it_was_sent_and_found_by_filters(
    db: Database, name: str, clients: Callable[[Any], TestClient], data: st.DataObject
) -> None:
    client = clients(name)
    values = data.draw(st.lists(st.none() | NATIVE_KINDS[name].values, min_size=1, max_size=4))
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM thing")
    created = client.post("/things:batch", json=[{"value": in_json(name, v)} for v in values])
    assert created.status_code == 201, created.text
    stored = [canonical(value) for value in values]
    expected = [in_json(name, value) for value in stored]
    assert [row["value"] for row in created.json()] == expected
    assert [row["value"] for row in client.get("/things").json()] == expected

    def found(**condition: Any) -> list[Any]:
        rows = client.get("/things", params={"where": json.dumps({"value": condition})})
        assert rows.status_code == 200, rows.text
        return [row["value"] for row in rows.json()]

    def kept(condition: Callable[[Any], bool]) -> list[Any]:
        return [in_json(name, value) for value in stored if condition(value)]

    assert found(is_null=True) == kept(lambda value: value is None)
    chosen = next((value for value in values if value is not None), None)
    if chosen is None or name in LISTS:
        return
    chosen_json, equal = in_json(name, chosen), canonical(chosen)
    assert found(eq=chosen_json) == kept(lambda value: value == equal)
    assert found(ne=chosen_json) == kept(lambda value: value != equal)
    among = [in_json(name, value) for value in values if value is not None][:2]
    listed = [canonical(value) for value in values if value is not None][:2]
    assert found(**{"in": among}) == kept(lambda value: value in listed)
    assert found(not_in=among) == kept(lambda value: value not in listed)
    order = NATIVE_KINDS[name].order
    if order is not None:
        for operator, compare in COMPARISONS.items():
            assert found(**{operator: chosen_json}) == kept(
                lambda value: value is not None and compare(order(value), order(equal))  # noqa: B023
            )
        rows = client.get("/things?order_by=value&limit=2")
        shown = [row["value"] for row in rows.json()]
        while "next" in rows.links:
            rows = client.get(rows.links["next"]["url"])
            shown += [row["value"] for row in rows.json()]
        present = sorted((value for value in stored if value is not None), key=order)
        assert shown == [in_json(name, value) for value in present] + kept(lambda v: v is None)


LISTS = {
    name
    for name, kind in NATIVE_KINDS.items()
    if "list" in str(kind.annotation) or name == "integers"
}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda left, right: left < right,
    "lte": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "gte": lambda left, right: left >= right,
}


@pytest.fixture
def clients(db: Database) -> Iterator[Callable[[str], TestClient]]:
    """Create the table of a kind, and provide a client of its Resource; the same for each call."""
    contexts: list[Any] = []
    by_name: dict[str, TestClient] = {}

    def client_of(name: str) -> TestClient:
        if name not in by_name:
            model = things(name)
            db.create_all()
            contexts.append(serving(Resource(model, db)))
            by_name[name] = contexts[-1].__enter__()
        return by_name[name]

    yield client_of
    for context in contexts:
        context.__exit__(None, None, None)


# Every way to write


SAMPLES: dict[str, tuple[Any, Any]] = {
    "texts": (["a", 'b,"c"'], []),
    "matrix": ([[1, 2], [3, 4]], []),
    "prices": (["1.50"], ["2.00", "3.10"]),
    "daterange": (
        {"lower": "2026-01-01", "upper": "2026-02-01", "bounds": "[)", "empty": False},
        {"lower": None, "upper": None, "bounds": "[)", "empty": True},
    ),
    "tstzrange": (
        {"lower": "2026-01-01T08:00:00Z", "upper": None, "bounds": "[)", "empty": False},
        {"lower": None, "upper": "2026-01-01T08:00:00.500000Z", "bounds": "(]", "empty": False},
    ),
    "either_address": ("10.0.0.1", "2001:db8::1"),
    "network": ("10.0.0.0/8", "192.168.0.0/24"),
    "interval": ("P1DT2H", "-PT0.5S"),
    "domain": (5, -7),
    "list_domain": (["a"], []),
}


@on_postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_every_operation_writes_and_reads_the_value(db: Database, name: str, driver: str) -> None:
    annotation, column_type = NATIVE_KINDS[name].annotation, NATIVE_KINDS[name].type
    first, second = SAMPLES[name]

    class Part(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        code: str | None = Field(default=None, unique=True)
        value: annotation = Field(sa_type=column_type)  # type: ignore[valid-type]  # a parameter
        set_id: int | None = Field(default=None, foreign_key="set.id")
        set: Optional["Set"] = Relationship(back_populates="parts")

    class Set(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation = Field(sa_type=column_type)  # type: ignore[valid-type]  # as above
        parts: list[Part] = Relationship(back_populates="set")

    db.create_all()
    parts = Resource(Part, db, include=["set"], operations=STANDARD | {"upsert"})
    sets = Resource(Set, db, include=["parts"], nested={"parts": parts})
    app = FastAPI()
    app.include_router(parts)
    app.include_router(sets)
    if driver == "psycopg":

        def session() -> Iterator[Any]:
            with db.session() as session:
                yield session

        app.dependency_overrides[db.get_session] = session
    with TestClient(app) as client:
        created = client.post("/parts", json={"code": "a", "value": first})
        assert (created.status_code, created.json()["value"]) == (201, first), created.text
        assert client.get("/parts/1").json()["value"] == first
        assert client.patch("/parts/1", json={"value": second}).json()["value"] == second
        upserted = client.post("/parts?on_conflict=code", json={"code": "a", "value": first})
        assert (upserted.status_code, upserted.json()["value"]) == (200, first)
        batch = client.post("/parts:batch", json=[{"value": second}, {"value": first}])
        assert [row["value"] for row in batch.json()] == [second, first]
        changes = [{"id": 1, "value": second}, {"id": 3, "value": second}]
        changed = client.patch("/parts:batch", json=changes)
        assert [row["value"] for row in changed.json()] == [second, second]
        nested = client.post("/sets", json={"value": first, "parts": [{"value": second}]})
        assert nested.status_code == 201, nested.text
        (shown,) = client.get("/sets?include=parts").json()
        assert (shown["value"], shown["parts"][0]["value"]) == (first, second)
        etag = client.get("/parts/1").headers["ETag"]
        assert client.get("/parts/1", headers={"If-None-Match": etag}).status_code == 304


@on_postgresql
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_a_batch_of_rows_with_native_scalars_is_one_statement(db: Database, driver: str) -> None:
    class Lease(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        address: IPvAnyAddress = Field(sa_type=postgresql.INET)
        network: str = Field(sa_type=postgresql.CIDR)
        card: str = Field(sa_type=postgresql.MACADDR)
        bits: str = Field(sa_type=postgresql.BIT(4))
        price: str = Field(sa_type=postgresql.MONEY)
        days: Range[date] | None = Field(default=None, sa_type=postgresql.DATERANGE)
        hours: Range[datetime] = Field(sa_type=postgresql.TSTZRANGE)
        amounts: Range[Decimal] = Field(sa_type=postgresql.NUMRANGE)
        pause: timedelta = Field(sa_type=postgresql.INTERVAL)

    db.create_all()
    moment = "2026-01-01T00:00:00Z"
    row = {
        "address": "::1", "network": "10.0.0.0/8", "card": "08:00:2b:01:02:03", "bits": "0101",
        "price": "$1.50", "days": None, "pause": "PT1H",
        "hours": {"lower": moment, "upper": None, "bounds": "[)", "empty": False},
        "amounts": {"lower": "1.50", "upper": "2", "bounds": "[]", "empty": False},
    }  # fmt: skip
    other = {**row, "address": "10.0.0.1", "days": JANUARY, "pause": "-P1D"}
    app = FastAPI()
    app.include_router(Resource(Lease, db))
    if driver == "psycopg":
        app.dependency_overrides[db.get_session] = db.get_session
    with TestClient(app) as client:
        assert client.get("/leases").json() == []  # opens the engine
        with statements(db, client) as seen:
            created = client.post("/leases:batch", json=[row, other])
        assert created.status_code == 201, created.text
        assert created.json() == [{"id": 1, **row}, {"id": 2, **other}]
        assert sum(statement.startswith("INSERT") for statement in seen) == 1
        changed = client.patch("/leases:batch", json=[{"id": 2, **row}, {"id": 1, **other}])
        assert changed.json() == [{"id": 2, **row}, {"id": 1, **other}]


@on_postgresql
def test_a_list_of_native_columns_is_one_statement(db: Database) -> None:
    class Booking(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        guests: list[str] = Field(sa_type=sa.ARRAY(sa.String))
        stay: Range[date] = Field(sa_type=postgresql.DATERANGE)
        came_from: IPv4Address = Field(sa_type=postgresql.INET)

    db.create_all()
    bookings = Resource(Booking, db)
    with serving(bookings) as client:
        body = {"guests": ["Ana"], "stay": {"lower": "2026-01-01"}, "came_from": "10.0.0.1"}
        assert client.post("/bookings", json=body).status_code == 201
        with statements(db, client) as seen:
            (row,) = client.get("/bookings").json()
        assert len(seen) == 1
        stay = {"lower": "2026-01-01", "upper": None, "bounds": "[)", "empty": False}
        assert row == {"id": 1, **body, "stay": stay}
    assert bookings.why_not_exact == ()


# Ranges


@pytest.fixture
def stays(db: Database) -> Iterator[TestClient]:
    """A client of stays from a date to another, in rooms with numbers."""

    class Stay(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        dates: Range[date] = Field(sa_type=postgresql.DATERANGE)
        rooms: list[Range[int]] = Field(default_factory=list, sa_type=postgresql.INT4MULTIRANGE)
        hours: Range[datetime] | None = Field(default=None, sa_type=postgresql.TSTZRANGE)

    db.create_all()
    with serving(Resource(Stay, db)) as client:
        yield client


JANUARY = {"lower": "2026-01-01", "upper": "2026-02-01", "bounds": "[)", "empty": False}


@on_postgresql
def test_a_range_has_its_lower_bound_by_default(stays: TestClient) -> None:
    created = stays.post("/stays", json={"dates": {"lower": "2026-01-01", "upper": "2026-02-01"}})
    assert created.json()["dates"] == JANUARY


@on_postgresql
def test_postgresql_stores_a_range_of_dates_without_its_upper_bound(stays: TestClient) -> None:
    sent = {"lower": "2025-12-31", "upper": "2026-01-31", "bounds": "(]"}
    assert stays.post("/stays", json={"dates": sent}).json()["dates"] == JANUARY


@on_postgresql
def test_a_range_without_values_is_empty(stays: TestClient) -> None:
    sent = {"lower": "2026-01-01", "upper": "2026-01-01", "bounds": "[)"}
    empty = {"lower": None, "upper": None, "bounds": "[)", "empty": True}
    assert stays.post("/stays", json={"dates": sent}).json()["dates"] == empty
    assert stays.post("/stays", json={"dates": {"empty": True}}).json()["dates"] == empty


@on_postgresql
def test_a_multirange_is_a_list_of_ranges_that_postgresql_merges(stays: TestClient) -> None:
    rooms = [{"lower": 7, "upper": 9}, {"lower": 1, "upper": 3}, {"lower": 3, "upper": 5}]
    created = stays.post("/stays", json={"dates": JANUARY, "rooms": rooms})
    assert created.json()["rooms"] == [
        {"lower": 1, "upper": 5, "bounds": "[)", "empty": False},
        {"lower": 7, "upper": 9, "bounds": "[)", "empty": False},
    ]


@on_postgresql
@pytest.mark.parametrize(
    "text",
    [
        "[2026-01-01,2026-02-01)",
        "(2025-12-31,2026-01-31]",
        '["2026-01-01", "2026-02-01")',
        '{"lower": "2026-01-01", "upper": "2026-02-01"}',
    ],
)
def test_a_query_parameter_has_a_range_as_text_or_json(stays: TestClient, text: str) -> None:
    stays.post("/stays", json={"dates": JANUARY})
    stays.post("/stays", json={"dates": {"lower": "2026-01-01"}})
    assert [row["id"] for row in stays.get("/stays", params={"dates": text}).json()] == [1]


@on_postgresql
def test_several_ranges_in_a_query_parameter_are_a_json_array(stays: TestClient) -> None:
    stays.post("/stays", json={"dates": JANUARY})
    stays.post("/stays", json={"dates": {"empty": True}})
    stays.post("/stays", json={"dates": {"lower": "2026-03-01"}})
    listed = '["[2026-01-01,2026-02-01)","empty"]'
    assert [row["id"] for row in stays.get(f"/stays?dates__in={listed}").json()] == [1, 2]
    refused = stays.get("/stays?dates__in=[2026-01-01,2026-02-01)")
    assert refused.status_code == 422
    assert "Write several as a JSON array" in refused.json()["errors"][0]["message"]


@on_postgresql
@pytest.mark.parametrize("name", ["int4range", "int8range", "numrange", "tstzrange", "daterange"])
@given(data=st.data())
@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_contains_finds_the_ranges_with_a_value(
    db: Database, name: str, clients: Callable[[Any], TestClient], data: st.DataObject
) -> None:
    client = clients(name)
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM thing")
    values = data.draw(st.lists(NATIVE_KINDS[name].values, min_size=1, max_size=4))
    client.post("/things:batch", json=[{"value": in_json(name, value)} for value in values])
    client.post("/things", json={})
    bounds = [bound for value in values for bound in (value.lower, value.upper)]
    sought = data.draw(st.sampled_from([bound for bound in bounds if bound is not None] or [None]))
    if sought is None:
        return
    text: str = TypeAdapter(type(sought)).dump_python(sought, mode="json")
    rows = client.get("/things", params={"value__contains": text})
    assert rows.status_code == 200, rows.text
    expected = [canonical(value) for value in values if _has(value, sought)]
    assert [row["value"] for row in rows.json()] == [in_json(name, value) for value in expected]
    where = json.dumps({"value__contains": text})
    assert client.get("/things", params={"where": where}).json() == rows.json()


def _has(value: Any, sought: Any) -> bool:
    if value.empty:
        return False
    starts, ends = value.bounds
    is_after = value.lower is None or value.lower < sought
    is_before = value.upper is None or value.upper > sought
    return (is_after or (starts == "[" and value.lower == sought)) and (
        is_before or (ends == "]" and value.upper == sought)
    )


@on_postgresql
def test_contains_takes_a_value_of_the_bounds(stays: TestClient) -> None:
    stays.post("/stays", json={"dates": JANUARY})
    assert [row["id"] for row in stays.get("/stays?dates__contains=2026-01-31").json()] == [1]
    assert stays.get("/stays?dates__contains=2026-02-01").json() == []
    for value in ("soon", "1", "[2026-01-01,2026-01-02)"):
        refused = stays.get("/stays", params={"dates__contains": value})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (
            422, "dates__contains",
        )  # fmt: skip


@on_postgresql
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"lower": "2026-02-01", "upper": "2026-01-01"}, "must not be greater than its upper"),
        ({"lower": "2026-01-01", "upper": "9999-12-31", "bounds": "[]"}, "use null for no limit"),
        ({"lower": "soon"}, "valid date"),
        ({"lower": "2026-01-01", "bounds": "<>"}, "'()', '[)', '(]' or '[]'"),
        ({"from": "2026-01-01"}, "A range has lower, upper, bounds and empty, and no 'from'"),
        ("[2026-01-01,2026-02-01)", "Input should be an object"),
    ],
)
def test_a_range_that_postgresql_could_not_store_is_refused(
    stays: TestClient, value: Any, message: str
) -> None:
    for refused in (
        stays.post("/stays", json={"dates": value}),
        stays.post("/stays:batch", json=[{"dates": JANUARY}, {"dates": value}]),
    ):
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert "dates" in error["loc"]
        assert message in error["message"]
    assert stays.get("/stays").json() == []


@on_postgresql
def test_a_range_of_times_has_utc_offsets(stays: TestClient) -> None:
    hours = {"lower": "2026-01-01T09:00:00+01:00", "upper": "2026-01-01T10:00:00+01:00"}
    created = stays.post("/stays", json={"dates": JANUARY, "hours": hours}).json()
    assert (created["hours"]["lower"], created["hours"]["upper"]) == (
        "2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z",
    )  # fmt: skip
    refused = stays.post("/stays", json={"dates": JANUARY, "hours": {"lower": "2026-01-01T09:00"}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "hours"


@on_postgresql
def test_bounds_beyond_the_integers_of_the_column_are_refused(db: Database) -> None:
    class Rooms(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        numbers: Range[int] = Field(sa_type=postgresql.INT4RANGE)

    db.create_all()
    with serving(Resource(Rooms, db, prefix="/rooms")) as client:
        for numbers in ({"lower": 2**31}, {"lower": 0, "upper": 2**31 - 1, "bounds": "[]"}):
            assert client.post("/rooms", json={"numbers": numbers}).status_code == 422
        assert client.get(f"/rooms?numbers=[{2**31},)").status_code == 422
        assert client.post("/rooms", json={"numbers": {"lower": 2**31 - 1}}).status_code == 201


@on_postgresql
def test_rows_with_ranges_are_ordered_as_postgresql_orders_them(stays: TestClient) -> None:
    for lower in ("2026-03-01", "2026-01-01", "2026-02-01"):
        stays.post("/stays", json={"dates": {"lower": lower}})
    assert [row["id"] for row in stays.get("/stays?order_by=dates").json()] == [2, 3, 1]
    page = stays.get("/stays?order_by=-dates&limit=2")
    rest = stays.get(page.links["next"]["url"])
    assert [row["id"] for row in [*page.json(), *rest.json()]] == [1, 3, 2]


@on_postgresql
def test_the_openapi_document_describes_a_range(stays: TestClient) -> None:
    document = stays.get("/openapi.json").json()
    (name,) = [name for name in document["components"]["schemas"] if name.startswith("Range_date_")]
    schema = document["components"]["schemas"][name]
    assert schema["description"].startswith("A range of values.")
    assert schema["properties"].keys() == {"lower", "upper", "bounds", "empty"}
    assert schema["additionalProperties"] is False
    parameters = document["paths"]["/stays"]["get"]["parameters"]
    (parameter,) = [item for item in parameters if item["name"] == "dates"]
    assert parameter["schema"]["type"] == "string"


# Arrays


@pytest.fixture
def lists(db: Database) -> Iterator[TestClient]:
    """A client of a table with arrays."""

    class Lists(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        names: list[str] = Field(default_factory=list, sa_type=sa.ARRAY(sa.String))
        numbers: list[int] = Field(default_factory=list, sa_type=sa.ARRAY(sa.SmallInteger))
        moments: list[datetime] = Field(
            default_factory=list, sa_type=sa.ARRAY(sa.DateTime(timezone=True))
        )
        grid: list[list[int]] = Field(
            default_factory=list, sa_type=sa.ARRAY(sa.Integer, dimensions=2)
        )
        prices: list[Decimal] = Field(default_factory=list, sa_type=sa.ARRAY(sa.Numeric(8, 2)))

    db.create_all()
    with serving(Resource(Lists, db, prefix="/lists")) as client:
        yield client


@on_postgresql
@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"names": "a"}, "names", "valid array"),
        ({"names": ["a", None]}, "names", "valid string"),
        ({"names": ["a\0b"]}, "names", "NUL"),
        ({"numbers": [1, 2**15]}, "numbers", "Item 1: Input should be less than or equal to 32767"),
        ({"moments": ["2026-01-01T00:00:00"]}, "moments", "Item 0: Input should have timezone"),
        ({"grid": [[1, 2], [3]]}, "grid", "must have the same length"),
        ({"grid": [[]]}, "grid", "not be empty"),
        ({"grid": [[1, 2**31]]}, "grid", "Item 0: Item 1: Input should be less than"),
    ],
)
def test_an_array_that_postgresql_could_not_store_is_refused(
    lists: TestClient, body: Any, field: str, message: str
) -> None:
    refused = lists.post("/lists", json=body)
    assert refused.status_code == 422
    error = refused.json()["errors"][0]
    assert error["loc"][:2] == ["body", field]
    assert message in error["message"]


@on_postgresql
def test_the_decimals_of_an_array_are_rounded_like_those_of_a_column(lists: TestClient) -> None:
    assert lists.post("/lists", json={"prices": ["1.005", 2]}).json()["prices"] == ["1.01", "2.00"]


@on_postgresql
@pytest.mark.parametrize("stored", ["'{a,NULL}'", "'{{a},{b}}'"])
def test_an_array_with_other_items_than_the_annotation_is_unreadable(
    db: Database, lists: TestClient, stored: str
) -> None:
    lists.post("/lists", json={})
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE lists SET names = {stored}")
    answer = lists.get("/lists")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:unreadable")
    assert "names of Lists 1" in answer.json()["detail"]


@on_postgresql
def test_a_set_is_stored_as_an_array(db: Database) -> None:
    class Tagged(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: set[str] = Field(sa_type=sa.ARRAY(sa.String))

    db.create_all()
    with serving(Resource(Tagged, db)) as client:
        created = client.post("/taggeds", json={"tags": ["a", "a"]})
        assert (created.status_code, created.json()["tags"]) == (201, ["a"])


def test_a_list_is_an_array_on_postgresql_and_json_on_sqlite(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tags: list[str] | None = Field(
            default=None,
            sa_column=Column(
                sa.ARRAY(sa.String).with_variant(sa.JSON(none_as_null=True), "sqlite")
            ),
        )
        scores: list[int] = Field(
            default_factory=list,
            sa_type=sa.JSON().with_variant(sa.ARRAY(sa.Integer), "postgresql"),
        )

    db.create_all()
    notes = Resource(Note, db)
    with serving(notes) as client:
        rows = [{"tags": ["a", "é,"], "scores": [1, 2]}, {"tags": [], "scores": []}, {}]
        created = client.post("/notes:batch", json=rows).json()
        assert [row["tags"] for row in created] == [["a", "é,"], [], None]
        assert client.get("/notes").json() == created
        assert client.patch("/notes/1", json={"scores": [3]}).json()["scores"] == [3]
        assert [row["id"] for row in client.get("/notes?tags__is_null=true").json()] == [3]
    assert notes.why_not_exact == ()


# Addresses


@pytest.fixture
def hosts(db: Database) -> Iterator[TestClient]:
    """A client of hosts."""

    class Host(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        address: IPvAnyAddress = Field(sa_type=postgresql.INET)
        text: str | None = Field(default=None, sa_type=postgresql.INET)
        network: str | None = Field(default=None, sa_type=postgresql.CIDR)
        card: str | None = Field(default=None, sa_type=postgresql.MACADDR)
        bits: str | None = Field(default=None, sa_type=postgresql.BIT(4))

    db.create_all()
    with serving(Resource(Host, db)) as client:
        yield client


@on_postgresql
def test_an_address_as_text_has_the_form_of_postgresql(hosts: TestClient) -> None:
    body = {"address": "::0001", "text": "10.0.0.1/32", "network": "10.0.0.0/8",
            "card": "08-00-2B-01-02-03", "bits": "0101"}  # fmt: skip
    created = hosts.post("/hosts", json=body).json()
    expected = {"address": "::1", "text": "10.0.0.1", "network": "10.0.0.0/8",
                "card": "08:00:2b:01:02:03", "bits": "0101"}  # fmt: skip
    assert created == {"id": 1, **expected}
    for name, value in body.items():
        assert hosts.get("/hosts", params={name: value}).json() == [created]


@on_postgresql
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "10.0.0.256"),
        ("address", "fe80::1%eth0"),
        ("text", "localhost"),
        ("text", "fe80::1%eth0"),
        ("network", "10.0.0.1/8"),
        ("card", "08:00:2b:01:02"),
        ("bits", "0121"),
    ],
)
def test_text_that_is_not_an_address_is_refused(hosts: TestClient, field: str, value: str) -> None:
    refused = hosts.post("/hosts", json={"address": "10.0.0.1", field: value})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    if not (field == "address" and "%" in value):
        assert hosts.get("/hosts", params={field: value}).status_code == 422


@on_postgresql
def test_a_text_search_does_not_apply_to_an_address(hosts: TestClient) -> None:
    refused = hosts.get("/hosts?text__contains=10.")
    assert refused.status_code == 422
    assert "Unknown parameter text__contains" in refused.json()["detail"]


@on_postgresql
@pytest.mark.parametrize("stored", ["10.0.0.1/8", "::1"])
def test_an_address_that_the_annotation_does_not_have_is_unreadable(
    db: Database, stored: str
) -> None:
    class Host(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        address: IPv4Address = Field(sa_type=postgresql.INET)

    db.create_all()
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO host (address) VALUES ('{stored}')")
    with serving(Resource(Host, db)) as client:
        answer = client.get("/hosts/1")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:unreadable")


@on_postgresql
def test_an_address_can_be_the_key_of_a_row(db: Database) -> None:
    class Host(SQLModel, table=True):
        address: IPv4Address = Field(sa_type=postgresql.INET, primary_key=True)
        name: str

    db.create_all()
    with serving(Resource(Host, db)) as client:
        created = client.post("/hosts", json={"address": "10.0.0.1", "name": "a"})
        assert created.headers["Location"].endswith("/hosts/10.0.0.1")
        assert client.patch("/hosts/10.0.0.1", json={"name": "b"}).json()["name"] == "b"
        assert client.get("/hosts/10.0.0.2").status_code == 404
        assert client.get("/hosts/localhost").status_code in {404, 422}


# Durations and domains


@on_postgresql
def test_months_and_years_of_an_interval_are_days(db: Database) -> None:
    class Plan(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        runs: timedelta = Field(sa_type=postgresql.INTERVAL)

    db.create_all()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO plan (runs) VALUES ('1 year 1 mon 1 day 01:00')")
    with serving(Resource(Plan, db)) as client:
        assert client.get("/plans/1").json()["runs"] == "P1Y31DT1H"


@on_postgresql
def test_a_domain_is_served_as_the_type_beneath_it_and_keeps_its_check(db: Database) -> None:
    whole = postgresql.DOMAIN("whole", sa.SmallInteger(), check=sa.text("VALUE > 0"))
    money = postgresql.DOMAIN("price", sa.Numeric(8, 2))

    class Line(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        amount: int = Field(sa_type=whole)
        price: Decimal = Field(sa_type=money)

    db.create_all()
    with serving(Resource(Line, db)) as client:
        created = client.post("/lines", json={"amount": 2, "price": "1.005"})
        assert created.json() == {"id": 1, "amount": 2, "price": "1.01"}
        assert client.get("/lines?price=1.01&amount__gt=1").json() == [created.json()]
        too_large = client.post("/lines", json={"amount": 2**15, "price": "1"})
        assert (too_large.status_code, too_large.json()["errors"][0]["field"]) == (422, "amount")
        assert client.post("/lines", json={"amount": 0, "price": "1"}).status_code == 422


@on_postgresql
def test_a_domain_can_be_the_key_of_a_row(db: Database) -> None:
    domain = postgresql.DOMAIN("code", sa.Text())

    class Country(SQLModel, table=True):
        code: str = Field(sa_type=domain, primary_key=True)
        name: str
        cities: list["City"] = Relationship(back_populates="country")

    class City(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        country_code: str = Field(sa_type=domain, foreign_key="country.code")
        country: Country = Relationship(back_populates="cities")

    db.create_all()
    cities = Resource(City, db, include=["country"])
    countries = Resource(
        Country,
        db,
        include=["cities"],
        nested={"cities": cities},
        operations=STANDARD | {"replace"},
    )
    with serving(countries, cities) as client:
        peru = {"code": "PE", "name": "Peru", "cities": [{}]}
        assert client.post("/countries", json=peru).status_code == 201
        assert client.put("/countries/BR", json={"name": "Brazil"}).status_code == 201
        page = client.get("/countries?limit=1&include=cities")
        assert page.json() == [{"code": "BR", "name": "Brazil", "cities": []}]
        (peru,) = client.get(page.links["next"]["url"]).json()
        assert peru["cities"] == [{"id": 1, "country_code": "PE"}]
        (lima,) = client.get("/cities?country__name=Peru&include=country").json()
        assert lima["country"] == {"code": "PE", "name": "Peru"}
        changed = client.patch("/countries:batch", json=[{"code": "PE", "name": "Perú"}])
        assert changed.json() == [{"code": "PE", "name": "Perú"}]
        assert client.delete("/countries/BR").status_code == 200


# What a Resource refuses


@pytest.mark.parametrize(
    ("annotation", "column_type", "message"),
    [
        (str, postgresql.INT4RANGE(), "does not hold str. Annotate it as Range[int]"),
        (Range, postgresql.INT4RANGE(), "does not hold Range. Annotate it as Range[int]"),
        (Range[int], postgresql.DATERANGE(), "Annotate it as Range[date]"),
        (Range[int], postgresql.INT4MULTIRANGE(), "Annotate it as list[Range[int]]"),
        (IPv4Address | IPv6Address, postgresql.CIDR(), "Annotate it as str or IPv4Network"),
        (UUID, postgresql.INET(), "does not hold UUID. Annotate it as str or IPv4Address"),
        (list[bytes], sa.ARRAY(sa.LargeBinary), "ARRAY of LARGE BINARY does not hold bytes"),
        (list[int], sa.ARRAY(sa.String), "an ARRAY of STRING does not hold int. Use JSON"),
        (list[list[int]], sa.ARRAY(sa.String), "an ARRAY of STRING does not hold int. Use JSON"),
        (str, sa.ARRAY(sa.String), "does not hold str. Annotate it as list[...]"),
    ],
)
def test_a_type_that_does_not_hold_the_annotation_is_refused_when_routes_are_built(
    db: Database, annotation: Any, column_type: Any, message: str
) -> None:
    class Thing(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation = Field(sa_type=column_type)

    with pytest.raises(ModelError) as caught, serving(Resource(Thing, db)):
        pass
    assert str(caught.value).startswith("ThingRead.value cannot be read by requests")
    assert message in str(caught.value)
    assert "a hand-written endpoint" in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "column_type", "message"),
    [
        (str, postgresql.TSVECTOR(), "only PostgreSQL can read the text of a value of TSVECTOR"),
        (str, postgresql.REGCLASS(), "only PostgreSQL can read the text of a value of REGCLASS"),
        (Any, postgresql.INET(), "Any says nothing about the values of INET. Annotate it as str"),
        (
            dict[str, Any],
            postgresql.DOMAIN("document", postgresql.JSONB()),
            "SQLAlchemy does not convert the values of a domain of this type",
        ),
        (
            list[datetime],
            sa.ARRAY(sa.DateTime(timezone=True)).with_variant(sa.JSON(), "sqlite"),
            "its variant on SQLite is JSON, which does not hold datetime",
        ),
        (
            IPv4Address,
            postgresql.INET().with_variant(sa.String(), "sqlite"),
            "its variant on SQLite is text, which does not hold IPv4Address",
        ),
    ],
)
def test_a_column_that_bodies_cannot_write_is_refused_when_routes_are_built(
    db: Database, annotation: Any, column_type: Any, message: str
) -> None:
    class Thing(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: annotation = Field(sa_type=column_type, nullable=True)

    with pytest.raises(ModelError) as caught, serving(Resource(Thing, db)):
        pass
    assert str(caught.value).startswith("ThingCreate.value cannot be written by requests")
    assert message in str(caught.value)
    assert "Field(readonly=True)" in str(caught.value)


@on_postgresql
def test_a_readonly_column_of_such_a_type_is_read_as_text(db: Database) -> None:
    class Page(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        words: str | None = Field(
            default=None,
            sa_column=Column(
                postgresql.TSVECTOR, sa.Computed("to_tsvector('english', title)", persisted=True)
            ),
        )

    db.create_all()
    with serving(Resource(Page, db)) as client:
        created = client.post("/pages", json={"title": "Two words"}).json()
        assert created == {"id": 1, "title": "Two words", "words": "'two':1 'word':2"}
        assert client.get("/pages?words__is_null=false").json() == [created]
        assert client.get("/pages?words__contains=two").status_code == 422
        assert client.get("/pages?order_by=words").status_code == 422


@on_postgresql
def test_a_type_decorator_converts_the_values_of_such_a_column(db: Database) -> None:
    class Words(sa.TypeDecorator[str]):
        impl = postgresql.TSVECTOR
        cache_ok = True

        def process_result_value(self, value: Any, dialect: Any) -> str | None:
            return None if value is None else str(value).replace("'", "")

    class Page(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        words: str = Field(sa_type=Words)

    db.create_all()
    with serving(Resource(Page, db)) as client:
        assert client.post("/pages", json={"words": "b a"}).json() == {"id": 1, "words": "a b"}
        assert client.get("/pages").json() == [{"id": 1, "words": "a b"}]


def test_a_related_table_is_checked_as_well(db: Database) -> None:
    class Owner(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        value: str = Field(sa_type=postgresql.INT4RANGE)

    class Pet(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int = Field(foreign_key="owner.id")
        owner: Owner = Relationship()

    with serving(Resource(Pet, db)):
        pass
    refusal = pytest.raises(ModelError, match=r"OwnerRead\.value cannot be read by requests")
    with refusal, serving(Resource(Pet, db, prefix="/more", include=["owner"])):
        pass
