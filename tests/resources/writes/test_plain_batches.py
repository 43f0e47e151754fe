"""Batches of new rows that need nothing but their schema are one statement without row objects.

Each test of a response runs twice: as it is, and with an object for each row.
"""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, DateTime, String

from colonnade import Database, Field, Idempotency, Resource, SQLModel, Timestamps, schemas
from colonnade.errors import QueryError
from colonnade.models import Shape
from colonnade.resources.writes._plain_batches import PlainBatches
from colonnade.rows import BodyReader

Created = Callable[[], int]
Readers = dict[str, BodyReader]


@pytest.fixture(params=["plain", "by row"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a batch is written."""
    if request.param == "by row":

        async def leave(*_: Any) -> None: ...

        monkeypatch.setattr(PlainBatches, "create", leave)
    return str(request.param)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Created:
    """The number of batches so far that were written without row objects."""
    written: list[bool] = []
    create = PlainBatches.create

    async def counted(self: PlainBatches, *arguments: Any) -> bytes | None:
        body = await create(self, *arguments)
        written.append(body is not None)
        return body

    monkeypatch.setattr(PlainBatches, "create", counted)
    return lambda: sum(written)


def define_gauge() -> Any:
    class Gauge(Timestamps, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(unique=True, max_length=20)
        note: str | None = None
        level: Literal["low", "high"] = "low"
        count: int = Field(default=3, ge=0)
        total: int | None = None
        active: bool = True
        day: date | None = None
        moment: datetime | None = None
        token: UUID | None = None

    return Gauge


@pytest.fixture
def gauge(db: Database) -> Any:
    gauge = define_gauge()
    db.create_all()
    return gauge


@pytest.fixture(scope="module")
def readers() -> Readers:
    gauge = define_gauge()
    shape, derived = Shape.of(gauge), schemas(gauge)
    return {
        "create": BodyReader(shape, derived.create, complete=True),
        "update": BodyReader(shape, derived.update, complete=False),
    }


def client_of(*resources: Resource) -> TestClient:
    app = FastAPI()
    for resource in resources:
        app.include_router(resource)
    return TestClient(app)


FULL = {
    "name": 'Ä "q", \\ , \n',
    "note": "",
    "level": "high",
    "count": 2**31 - 1,
    "total": -(2**31),
    "active": False,
    "day": "2026-02-28",
    "moment": "2026-02-28T23:59:59.123456+02:00",
    "token": "12345678-1234-5678-1234-567812345678",
}


def test_the_rows_have_the_order_and_the_values_of_the_body(
    db: Database, gauge: Any, way: str
) -> None:
    client = client_of(Resource(gauge, db))
    response = client.post("/gauges:batch", json=[FULL, {"name": "b"}, {"name": "a", "note": None}])
    assert response.status_code == 201
    first, second, third = response.json()
    assert {**first, "id": 0, "created_at": "", "updated_at": ""} == {
        **FULL, "id": 0, "moment": "2026-02-28T21:59:59.123456Z", "created_at": "",
        "updated_at": "",
    }  # fmt: skip
    assert (second["name"], second["count"], second["level"]) == ("b", 3, "low")
    assert first["id"] < second["id"] < third["id"]
    assert first["created_at"] == third["created_at"]
    assert client.get("/gauges?order_by=id").json() == response.json()


def test_it_is_one_statement_on_postgresql(db: Database, gauge: Any, plain: Created) -> None:
    client = client_of(Resource(gauge, db))
    client.post("/gauges:batch", json=[{"name": "a"}, {"name": "b"}])
    assert plain() == (1 if db.url.backend == "postgresql" else 0)


@pytest.mark.parametrize(
    ("rows", "status", "loc"),
    [
        ([{"name": "a"}, {"name": "taken"}], 409, ["body", "name"]),
        ([{"name": "a"}, {}], 422, ["body", 1, "name"]),
        ([{"name": "a"}, {"name": "b", "count": -1}], 422, ["body", 1, "count"]),
        ([{"name": "a"}, {"name": "b", "total": 2**31}], 422, ["body", 1, "total"]),
        ([{"name": "a"}, {"name": "b", "active": 1}], 422, ["body", 1, "active"]),
        ([{"name": "a"}, {"name": "b", "other": 1}], 422, ["body", 1, "other"]),
        ([{"name": "a"}, {"name": "b", "moment": "2026-01-01T00:00:00"}], 422, None),
        ([{"name": "a"}, {"name": "b\0"}], 422, ["body", 1, "name"]),
        ([{"name": "a"}, 3], 422, ["body", 1]),
        ([], 422, ["body"]),
        ({"name": "a"}, 422, ["body"]),
    ],
)
def test_a_refused_row_is_named_and_nothing_is_written(
    db: Database, gauge: Any, way: str, rows: Any, status: int, loc: list[Any] | None
) -> None:
    client = client_of(Resource(gauge, db))
    client.post("/gauges", json={"name": "taken"})
    response = client.post("/gauges:batch", json=rows)
    assert response.status_code == status
    if loc is not None:
        assert response.json()["errors"][0]["loc"] == loc
    assert len(client.get("/gauges").json()) == 1


def test_other_requests_are_refused_as_before(db: Database, gauge: Any, way: str) -> None:
    client = client_of(Resource(gauge, db, max_limit=2))
    text = {"Content-Type": "text/plain"}
    assert client.post("/gauges:batch", content="[]", headers=text).status_code == 422
    assert client.post("/gauges:batch?x=1", json=[{"name": "a"}]).status_code == 422
    assert client.post("/gauges:batch", json=[{"name": f"{n}"} for n in "abc"]).status_code == 422
    assert client.post("/gauges:batch", content=b"[{", headers=JSON).status_code == 422


JSON = {"Content-Type": "application/json"}


def test_rows_that_a_trigger_leaves_out_are_no_success(db: Database, gauge: Any, way: str) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("a trigger of SQLite leaves no row out")
    with db.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER skip BEFORE INSERT ON gauge FOR EACH ROW EXECUTE FUNCTION skip()"
        )
    client = client_of(Resource(gauge, db))
    assert client.post("/gauges:batch", json=[{"name": "a"}, {"name": "b"}]).status_code == 409


def test_columns_that_json_represents_otherwise_get_parameters(
    db: Database, plain: Created
) -> None:
    class Naive(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: datetime | None = Field(default=None, sa_type=DateTime)

    class Long(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: str = Field(
            sa_column=Column("short", String)
        )

    long = "n" * 64  # PostgreSQL would cut off the name
    db.create_all()
    client = client_of(Resource(Naive, db), Resource(Long, db))
    naive = [{"at": "2026-01-01T00:00:00"}, {"at": "2026-01-01T00:00:00+02:00"}]
    single = [client.post("/naives", json=row).status_code for row in naive]
    assert client.post("/naives:batch", json=naive).status_code == max(single)
    rows = client.post("/longs:batch", json=[{long: "a"}, {long: "b"}]).json()
    assert [row[long] for row in rows] == ["a", "b"]
    assert plain() == 0


def test_text_that_is_too_long_for_a_column_is_refused(db: Database, way: str) -> None:
    class Code(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        code: str = Field(sa_type=String(5))

    db.create_all()
    client = client_of(Resource(Code, db))
    single = client.post("/codes", json={"code": "abcdefgh"}).status_code
    batch = client.post("/codes:batch", json=[{"code": "abcdefgh"}, {"code": "a"}])
    assert batch.status_code == single
    if db.url.backend == "postgresql":
        assert (single, client.get("/codes").json()) == (422, [])


def test_the_status_is_that_of_the_resource(db: Database, gauge: Any, way: str) -> None:
    client = client_of(Resource(gauge, db, statuses={"create": 200}))
    assert client.post("/gauges:batch", json=[{"name": "a"}]).status_code == 200


def test_a_hook_runs_for_each_row(db: Database, gauge: Any, plain: Created) -> None:
    gauges = Resource(gauge, db)

    @gauges.before("create")
    def shout(values: dict[str, Any]) -> None:
        values["name"] = values["name"].upper()

    rows = client_of(gauges).post("/gauges:batch", json=[{"name": "a"}, {"name": "b"}]).json()
    assert [row["name"] for row in rows] == ["A", "B"]
    assert plain() == 0


def test_a_scope_gives_each_row_its_values(db: Database, gauge: Any, plain: Created) -> None:
    client = client_of(Resource(gauge, db, scope=lambda: {"total": 7}))
    rows = client.post("/gauges:batch", json=[{"name": "a"}, {"name": "b"}]).json()
    assert [row["total"] for row in rows] == [7, 7]
    assert plain() == 0


def test_a_repeated_key_gets_the_same_response(db: Database, plain: Created) -> None:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    class Repeated(Idempotency, table=True): ...

    db.create_all()
    client = client_of(Resource(Item, db, idempotency=Repeated))
    headers = {"Idempotency-Key": "once"}
    first = client.post("/items:batch", json=[{"name": "a"}], headers=headers)
    assert client.post("/items:batch", json=[{"name": "a"}], headers=headers).json() == first.json()
    assert plain() == 0


def test_models_that_need_an_object_for_each_row_get_one(db: Database, plain: Created) -> None:
    class Draft(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        code: str = Field(default_factory=lambda: "made")

    class Tree(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="tree.id")

    class Price(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        data: dict[str, Any] = Field(default_factory=dict)
        ratio: float = 0.5

    db.create_all()
    client = client_of(*(Resource(model, db) for model in (Draft, Tree, Price)))
    assert client.post("/drafts:batch", json=[{}, {}]).json()[1]["code"] == "made"
    assert client.post("/trees:batch", json=[{}, {"parent_id": None}]).status_code == 201
    assert client.post("/prices:batch", json=[{"data": {"a": [1]}}, {}]).status_code == 201
    assert plain() == 0


texts = st.text(max_size=8) | st.sampled_from(["a\0", "\ud800", "2026-01-01"])
numbers = st.integers() | st.booleans() | st.floats() | st.none()
anything = texts | numbers | st.lists(texts, max_size=1)
fields = {
    "note": st.none() | texts | numbers,
    "level": st.sampled_from(["low", "high", "middle", None]),
    "count": st.integers(-1, 2**31) | anything,
    "active": st.booleans() | anything,
    "day": st.dates().map(date.isoformat) | anything,
    "moment": st.datetimes(timezones=st.none() | st.timezones()).map(str) | anything,
    "token": st.uuids().map(str) | anything,
    "other": anything,
}


def outcome(parse: Callable[[], Any]) -> Any:
    """What is parsed; None if it is refused."""
    try:
        return parse()
    except QueryError:
        return None


@given(rows=st.lists(st.fixed_dictionaries({"name": texts}, optional=fields), max_size=4))
def test_values_are_parsed_as_with_an_object_for_each_row(
    readers: Readers, rows: list[dict[str, Any]]
) -> None:
    reader, body = readers["create"], json.dumps(rows).encode()

    def with_objects() -> list[dict[str, Any]]:
        return [reader.values(each) for each in reader.parse_list(body, max_rows=3)]

    assert reader.plain_rows(body, max_rows=3) == outcome(with_objects)


@pytest.mark.parametrize("kind", ["create", "update"])
@given(row=st.fixed_dictionaries({}, optional={"name": texts, **fields}))
def test_the_values_of_one_row_are_parsed_as_with_its_object(
    readers: Readers, kind: str, row: dict[str, Any]
) -> None:
    reader, body = readers[kind], json.dumps(row).encode()
    assert reader.plain_values(body) == outcome(lambda: reader.read(body))
