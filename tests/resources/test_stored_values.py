"""Pages and filters use the stored values, whatever their form in JSON."""

import json
from contextlib import nullcontext
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import sqlmodel
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from colonnade.errors import ModelError, QueryError
from colonnade.query import PageReader, QueryableTable
from tests.resources.sample_app import serving


def walk(client: TestClient, url: str | None) -> list[int]:
    """Return the keys of all pages, following the links; more than ten pages are a loop."""
    ids: list[int] = []
    for _ in range(10):
        if url is None:
            return ids
        response = client.get(url)
        assert response.status_code == 200, response.text
        ids += [row["id"] for row in response.json()]
        url = response.links.get("next", {}).get("url")
    pytest.fail(f"no end: {ids}")


def test_a_datetime_from_the_database_is_sorted_and_filtered(db: Database) -> None:
    class Note(sqlmodel.SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: datetime | None = Field(
            default=None,
            sa_column=sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now()),
        )

    db.create_all()
    with db.engine.begin() as connection:
        for key in range(1, 6):
            connection.execute(sa.text("INSERT INTO note (id) VALUES (:key)"), {"key": key})
    with serving(Resource(Note, db)) as client:
        assert walk(client, "/notes?limit=2&order_by=at") == [1, 2, 3, 4, 5]
        assert walk(client, "/notes?limit=2&order_by=-at") == [5, 4, 3, 2, 1]
        shown = client.get("/notes/3").json()["at"].replace("+", "%2B")
        for operator in ("eq", "gte", "lte", "in"):
            rows = client.get(f"/notes?at__{operator}={shown}").json()
            assert 3 in [row["id"] for row in rows], operator
        assert client.get(f"/notes?at__gt={shown}&at__lt={shown}").json() == []


def test_a_decimal_is_stored_as_it_is_returned(db: Database) -> None:
    class Price(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        price: Decimal = Field(sa_type=sa.Numeric(10, 2))

    db.create_all()
    with serving(Resource(Price, db)) as client:
        for price in ("1.005", "1.004", "-1.005", 2):
            assert client.post("/prices", json={"price": price}).status_code == 201
        shown = [row["price"] for row in client.get("/prices").json()]
        assert shown == ["1.01", "1.00", "-1.01", "2.00"]
        assert [row["id"] for row in client.get("/prices?price=1.01").json()] == [1]
        assert [row["id"] for row in client.get("/prices?price__in=1.01,-1.01").json()] == [1, 3]
        assert walk(client, "/prices?limit=1&order_by=price") == [3, 2, 1, 4]
        assert walk(client, "/prices?limit=1&order_by=-price") == [4, 1, 2, 3]
        for far in ("1e9999999", "-1e-9999999", "1e70"):
            assert client.get(f"/prices?price={far}").status_code == 422


class State(Enum):
    OPEN = "zopen"
    CLOSED = "aclosed"


def test_an_enum_stored_by_name_is_filtered_by_value(db: Database) -> None:
    class Ticket(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        state: State

    db.create_all()
    with db.engine.begin() as connection:
        if db.url.backend == "postgresql":
            connection.exec_driver_sql("ALTER TABLE ticket DROP CONSTRAINT ck_ticket_state_values")
        else:
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = on")
        values = ((1, "OPEN"), (2, "zopen"), (3, "CLOSED"), (4, "aclosed"))
        for key, state in values:
            connection.exec_driver_sql(f"INSERT INTO ticket VALUES ({key}, '{state}')")
    with serving(Resource(Ticket, db)) as client:
        for query, expected in (
            ("state=zopen", [1, 2]),
            ("state__ne=zopen", [3, 4]),
            ("state__in=zopen,aclosed", [1, 2, 3, 4]),
            ("state__not_in=zopen", [3, 4]),
        ):
            assert [row["id"] for row in client.get(f"/tickets?{query}").json()] == expected
        for order in ("state", "-state"):
            assert sorted(walk(client, f"/tickets?limit=1&order_by={order}")) == [1, 2, 3, 4]


def test_a_native_enum_is_text_with_choices(db: Database) -> None:
    class Shirt(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        size: str = Field(sa_column=sa.Column(sa.Enum("small", "large", name="size")))

    db.create_all()
    with serving(Resource(Shirt, db)) as client:
        client.post("/shirts:batch", json=[{"size": "small"}, {"size": "large"}])
        assert walk(client, "/shirts?limit=1&order_by=size") == [2, 1]  # as text, everywhere
        assert client.get("/shirts?size=large").json() == [{"id": 2, "size": "large"}]
        for wrong in ("size=huge", "size__contains=a", "size__gt=a", "size__in=large,huge"):
            assert client.get(f"/shirts?{wrong}").status_code == 422
        assert client.post("/shirts", json={"size": "huge"}).status_code == 422


@pytest.mark.parametrize("when", ["9999-12-31", "0001-01-01"])
def test_the_first_and_the_last_day_are_stored(db: Database, when: str) -> None:
    class Term(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        until: date | None = None
        at: datetime | None = None
        data: bytes = b""  # so that Pydantic renders the response

    timestamp = f"{when}T23:59:59.999999Z" if when.startswith("9") else f"{when}T00:00:00Z"
    db.create_all()
    exact = type("Exact", (SQLModel,), {"__annotations__": {"id": int, "until": date | None}})
    dates = Resource(Term, db, read=exact, prefix="/dates")
    with serving(Resource(Term, db), dates) as client:
        created = client.post("/terms", json={"until": when, "at": timestamp})
        assert (created.json()["until"], created.json()["at"]) == (when, timestamp)
        client.post("/terms", json={"until": when})
        assert client.get(f"/terms?until={when}&at={timestamp}").json() == [created.json()]
        assert client.get("/dates/1").json() == {"id": 1, "until": when}
        assert walk(client, "/terms?limit=1&order_by=until,at") == [1, 2]
    with db.session() as session:
        assert [row.until for row in session.exec(sqlmodel.select(Term))] == [
            date.fromisoformat(when)
        ] * 2


def test_pages_are_sorted_by_long_texts(db: Database) -> None:
    class Page(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str | None = None

    db.create_all()
    with serving(Resource(Page, db)) as client:
        texts = [{"text": letter * 20_000} for letter in "bbac"]
        client.post("/pages:batch", json=[*texts, {"text": None}, {"text": "b"}])
        assert walk(client, "/pages?limit=1&order_by=text&fields=id") == [3, 6, 1, 2, 4, 5]
        assert walk(client, "/pages?limit=2&order_by=-text&fields=id") == [5, 4, 2, 1, 6, 3]
        first = client.get("/pages?limit=1&order_by=text&fields=id").links["next"]["url"]
        second = client.get(first)
        third = client.get(second.links["next"]["url"])
        assert len(third.links["next"]["url"]) < 300
        assert client.get(third.links["prev"]["url"]).json() == second.json()


@pytest.mark.parametrize("size", [5, 20_000])
def test_a_cursor_remains_valid_without_its_row(db: Database, size: int) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    with serving(Resource(Note, db)) as client:
        client.post("/notes:batch", json=[{"text": "x" * size + str(n)} for n in range(6)])
        first = client.get("/notes?order_by=text&limit=2&fields=id")
        client.delete("/notes/2")
        second = client.get(first.links["next"]["url"])
        assert second.json() == [{"id": 3}, {"id": 4}]
        client.patch("/notes/4", json={"text": "zzz"})
        assert client.get(second.links["next"]["url"]).json() == [{"id": 5}, {"id": 6}]


def test_a_page_whose_cursor_would_be_too_long_is_refused(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    with serving(Resource(Note, db)) as client:
        noise = Random(1).randbytes(4000)
        client.post("/notes:batch", json=[{"text": f"{n}{noise.hex()}"} for n in range(3)])
        refused = client.get("/notes?order_by=text&limit=1&fields=id")
        assert refused.status_code == 422
        assert "text, id that do not fit into a cursor" in refused.json()["detail"]
        assert walk(client, "/notes?limit=1&fields=id") == [1, 2, 3]


def test_an_invented_cursor_is_not_a_server_error(db: Database) -> None:
    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    page = PageReader(QueryableTable.of(Item)).read([])
    with serving(Resource(Item, db)) as client:
        for values in ("[7]", '["x"]', '["x\\u0000"]', "[1e400]", "[[]]", '[["zz"]]', "[{}]", "7",
                       "[true]", "[null]", f"[{10**30}]", "[1,2]"):  # fmt: skip
            cursor = page.cursor(values, backwards=False)
            assert client.get(f"/items?cursor={cursor}").status_code in (200, 422), values
        for values in ("9" * 300, "[" + " " * (5 * 2**20) + "7]"):
            with pytest.raises(QueryError) if len(values) > 2**20 else nullcontext():
                cursor = page.cursor(values, backwards=False)
                assert client.get(f"/items?cursor={cursor}").status_code == 422


class TestListOperators:
    @pytest.fixture
    def client(self, db: Database) -> Any:
        class Item(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            weight: float = 0.1
            day: date | None = None
            on: bool = False

        db.create_all()
        with serving(Resource(Item, db)) as client:
            body = [{"weight": 0.1}, {"weight": 1e23, "day": "2026-01-01"}, {"on": True}]
            client.post("/items:batch", json=body)
            yield client

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("weight__in=0.1,7", [1, 3]),
            ("weight__in=1e23", [2]),
            ("weight__not_in=0.1", [2]),
            ("day__in=2026-01-01,2026-01-02", [2]),
            ("day__not_in=2026-01-01", [1, 3]),
            ("on__in=true", [3]),
            ('where={"id__in":[]}', []),
            ('where={"id__not_in":[]}', [1, 2, 3]),
        ],
    )
    def test_in_accepts_values_of_any_type(
        self, client: TestClient, query: str, expected: list[int]
    ) -> None:
        assert [row["id"] for row in client.get(f"/items?{query}").json()] == expected

    def test_many_long_lists_are_accepted(self, client: TestClient) -> None:
        where: Any = {"or": [{"id__in": [4] * 1000}] * 32 + [{"id": 1}]}
        response = client.get(f"/items?where={json.dumps(where, separators=(',', ':'))}")
        assert [row["id"] for row in response.json()] == [1]

    def test_empty_conditions_count_towards_the_limit(self, client: TestClient) -> None:
        wheres: Any = (
            {"and": [{"or": [{}]}] * 200},
            {"or": [{}] * 200},
            {"and": [{"id": 1}] * 101},
        )
        for where in wheres:
            assert client.get("/items", params={"where": json.dumps(where)}).status_code == 422


def test_the_number_of_rows_in_nested_lists_is_limited(
    db: Database, models: SimpleNamespace
) -> None:
    with serving(Resource(models.Project, db, include=["tasks.assignments"])) as client:
        assert client.get("/projects?include=tasks.assignments").status_code == 200
        assert client.get("/projects?include=tasks&limit=1000").status_code == 200
        response = client.get("/projects?include=tasks.assignments&limit=1000")
        assert response.status_code == 422
        assert "could return 10,101,000 rows" in response.json()["detail"]
        fewer = "/projects?include=tasks:10.assignments:50&limit=1000"
        assert client.get(fewer).status_code == 200


def test_a_table_may_have_many_columns(db: Database) -> None:
    body: dict[str, Any] = {f"c{number}": number for number in range(600)}
    annotations = {"id": int | None, **dict.fromkeys(body, int)}
    space = {**body, "id": Field(default=None, primary_key=True), "__annotations__": annotations}
    make_model: Any = type(SQLModel)
    Wide = make_model("Wide", (SQLModel,), {**space, "__module__": __name__}, table=True)
    db.create_all()
    with serving(Resource(Wide, db)) as client:
        created = client.post("/wides", json={})
        assert created.status_code == 201
        assert client.get("/wides").json() == [created.json()] == [{"id": 1, **body}]


def test_a_column_and_a_relation_cannot_share_a_name(db: Database) -> None:
    class Owner(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Pet(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int | None = Field(default=None, foreign_key="owner.id", alias="owner")
        owner: Owner | None = sqlmodel.Relationship()

    with (
        pytest.raises(ModelError, match="has a column and a relation named 'owner'"),
        serving(Resource(Pet, db, include=["owner"])),
    ):
        pass
