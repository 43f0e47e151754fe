"""Filters and pages go by the stored value, whatever the response shows."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

import pytest
import sqlalchemy as sa
import sqlmodel

from colonnade import Database, Field, Resource, SQLModel
from tests.query.lists import walk
from tests.resources.sample_app import serving


def test_a_datetime_from_a_server_default_can_be_filtered_and_sorted(db: Database) -> None:
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


def test_a_decimal_is_stored_as_it_is_shown(db: Database) -> None:
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


def test_enum_members_stored_by_name_are_found_by_value(db: Database) -> None:
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
def test_the_first_and_the_last_day_are_stored_and_found(db: Database, when: str) -> None:
    class Term(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        until: date | None = None
        at: datetime | None = None
        data: bytes = b""  # so that Pydantic writes the answer once more

    moment = f"{when}T23:59:59.999999Z" if when.startswith("9") else f"{when}T00:00:00Z"
    db.create_all()
    exact = type("Exact", (SQLModel,), {"__annotations__": {"id": int, "until": date | None}})
    dates = Resource(Term, db, read=exact, prefix="/dates")
    with serving(Resource(Term, db), dates) as client:
        created = client.post("/terms", json={"until": when, "at": moment})
        assert (created.json()["until"], created.json()["at"]) == (when, moment)
        client.post("/terms", json={"until": when})
        assert client.get(f"/terms?until={when}&at={moment}").json() == [created.json()]
        assert client.get("/dates/1").json() == {"id": 1, "until": when}
        assert walk(client, "/terms?limit=1&order_by=until,at") == [1, 2]
    with db.session() as session:
        assert [row.until for row in session.exec(sqlmodel.select(Term))] == [
            date.fromisoformat(when)
        ] * 2
