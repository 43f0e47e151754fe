"""Values that other programs stored are converted, or reported with their row and column."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import field_serializer

from colonnade import Database, Field, Resource, SQLModel
from colonnade.query import PageReader, QueryableTable
from tests.resources.sample_app import serving


def run(db: Database, *statements: str) -> None:
    with db.engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


class AllKinds(SQLModel):
    """A column of each kind; SQLite stores any value in each of them."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime | None = None
    wall: datetime | None = Field(default=None, sa_type=sa.DateTime)
    day: date | None = None
    hour: time | None = None
    span: timedelta | None = None
    price: Decimal | None = Field(default=None, max_digits=8, decimal_places=2)
    on: bool | None = None
    uid: UUID | None = None
    text: str | None = None
    tags: list[str] | None = None
    data: bytes | None = None


UNREADABLE = [
    ("at", "1700000000"), ("at", "''"), ("at", "'0000-00-00 00:00:00'"), ("at", "x'00'"),
    ("wall", "'yesterday'"), ("day", "'2021-01-01 00:00:00'"), ("day", "20210101"),
    ("hour", "'noon'"), ("hour", "7"), ("span", "'1 day'"), ("price", "'cheap'"), ("price", "''"),
    ("on", "'yes'"), ("uid", "'abc'"), ("uid", "x'ff00'"), ("text", "x'ff'"), ("tags", "'[1'"),
    ("tags", "'{}'"), ("tags", "'[1]'"),
]  # fmt: skip
READABLE = [
    ("at", "'2021-01-01 00:00:00'", "2021-01-01T00:00:00Z"),
    ("at", "'2021-01-01T00:00:00Z'", "2021-01-01T00:00:00Z"),
    ("at", "'2021-01-01 02:00:00.5+02:00'", "2021-01-01T00:00:00.500000Z"),
    ("at", "'2021-01-01 00:00:00.000+00'", "2021-01-01T00:00:00Z"),
    ("at", "'2021-01-01 00:00:00.120'", "2021-01-01T00:00:00.120000Z"),
    ("wall", "'2021-01-01 00:00'", "2021-01-01T00:00:00"),
    ("hour", "'10:30'", "10:30:00"),
    ("on", "2", True),
    ("text", "5", "5"),
    ("data", "'hello'", "aGVsbG8="),
]


class TestSQLite:
    pytestmark = pytest.mark.only_on("sqlite")

    @pytest.fixture
    def client(self, db: Database) -> Any:
        class Sample(AllKinds, table=True):
            pass

        db.create_all()
        run(db, "INSERT INTO sample (id) VALUES (1), (2), (3), (4)")
        with serving(Resource(Sample, db)) as client:
            yield client

    @pytest.mark.parametrize(("column", "stored"), UNREADABLE)
    def test_a_value_of_another_type_is_reported_with_its_row_and_column(
        self, db: Database, client: TestClient, column: str, stored: str
    ) -> None:
        run(db, f'UPDATE sample SET "{column}" = {stored} WHERE id = 3')
        for url in ("/samples", "/samples/3", "/samples?limit=2&order_by=-id"):
            response = client.get(url)
            assert response.status_code == 409, response.text
            (error,) = response.json()["errors"]
            assert (error["field"], error["loc"]) == (column, ["row", "3"])
            assert f"{column} of Sample 3 cannot be read" in response.json()["detail"]
        assert client.get("/samples/2").json()[column] is None
        assert len(client.get("/samples?id__ne=3").json()) == 3
        assert len(client.get("/samples?fields=id").json()) == 4
        other = "data" if column == "text" else "text"
        response = client.patch("/samples/3", json={other: "aGk="})
        assert (response.status_code, response.json()["errors"][0]["field"]) == (409, column)
        many = client.patch(
            "/samples:batch", json=[{"id": 2, other: "aGk="}, {"id": 3, other: None}]
        )
        assert (many.status_code, many.json()["errors"][0]["field"]) == (409, column)
        assert client.get(f"/samples/2?fields={other}").json() == {other: None}
        assert client.get(f"/samples/3?fields={other}").json() == {other: None}
        assert client.patch("/samples/3", json={column: None}).json()[column] is None

    def test_text_that_is_not_utf8_is_reported(self, db: Database, client: TestClient) -> None:
        run(db, "UPDATE sample SET text = CAST(x'ff' AS TEXT) WHERE id = 3")
        for url in (
            "/samples",
            "/samples/3",
            "/samples/3?fields=id",
        ):  # the ETag covers all columns
            assert client.get(url).json()["errors"][0]["field"] == "text"
        assert len(client.get("/samples?fields=id").json()) == 4

    @pytest.mark.parametrize(("column", "stored", "shown"), READABLE)
    def test_a_value_in_another_format_is_converted(
        self, db: Database, client: TestClient, column: str, stored: str, shown: Any
    ) -> None:
        run(db, f'UPDATE sample SET "{column}" = {stored} WHERE id = 3')
        assert client.get("/samples/3").json()[column] == shown

    @pytest.mark.parametrize("stored", [stored for name, stored, _ in READABLE if name == "at"])
    def test_filters_find_a_datetime_in_any_format(
        self, db: Database, client: TestClient, stored: str
    ) -> None:
        run(
            db,
            f"UPDATE sample SET at = {stored} WHERE id = 3",
            "UPDATE sample SET at = '' WHERE id = 1",
            "UPDATE sample SET at = '2020-12-31 23:59:59.000000' WHERE id = 2",
            "UPDATE sample SET at = '2021-01-01 00:00:01.000000' WHERE id = 4",
        )
        shown = client.get("/samples/3").json()["at"]
        for query, expected in (
            (f"at={shown}", [3]),
            (f"at__in={shown},1999-01-01T00:00:00Z", [3]),
            (f"at__ne={shown}", [2, 4]),
            (f"at__gt={shown}", [4]),
            (f"at__gte={shown}", [3, 4]),
            (f"at__lt={shown}", [2]),
            (f"at__lte={shown}", [2, 3]),
        ):
            rows = client.get(f"/samples?{query}&fields=id").json()
            assert [row["id"] for row in rows] == expected, query

    def test_filters_on_a_datetime_use_its_index(self, db: Database) -> None:
        class Event(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            at: datetime = Field(index=True)

        db.create_all()
        for operator in ("", "__gt", "__lte"):
            page = PageReader(QueryableTable.of(Event)).read(
                [(f"at{operator}", "2021-01-01T00:00:00Z")]
            )
            text = page.total().compile(db.engine)
            parameters = ["2021-01-01 00:00:00.000000"] * len(text.positiontup or ())
            with db.engine.connect() as connection:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(parameters))
                assert any("ix_event_at (at" in row[3] for row in plan)

    def test_integers_have_64_bits(self, db: Database) -> None:
        class Count(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            n: int

        db.create_all()
        run(db, "INSERT INTO count VALUES (3000000000, 9000000000)")
        with serving(Resource(Count, db)) as client:
            row = {"id": 3000000000, "n": 9000000000}
            assert client.get("/counts/3000000000").json() == row
            assert client.get("/counts?n=9000000000").json() == [row]
            assert client.delete("/counts/3000000000").status_code == 200

    def test_minus_zero_equals_zero_in_a_list(self, db: Database) -> None:
        class Level(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            height: float

        db.create_all()
        with serving(Resource(Level, db)) as client:
            client.post("/levels", json={"height": -0.0})
            for value in ("-0.0", "0"):
                assert len(client.get(f"/levels?height__in={value},7").json()) == 1


@pytest.mark.only_on("postgresql")
class TestPostgreSQL:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("column", "stored"),
        [
            ("at", "'infinity'"), ("wall", "'-infinity'"), ("wall", "'0044-03-15 00:00 BC'"),
            ("at", "'10000-01-01'"), ("day", "'infinity'"), ("span", "'3000000 years'"),
            ("names", "ARRAY['a', NULL]"), ("names", "ARRAY[['a'], ['b']]"),
        ],
    )  # fmt: skip
    def test_a_value_that_python_lacks_is_reported_with_its_row_and_column(
        self, db: Database, column: str, stored: str
    ) -> None:
        class Sample(AllKinds, table=True):
            names: list[str] = Field(
                sa_column=sa.Column(sa.ARRAY(sa.Text), server_default=sa.text("'{}'"))
            )

        db.create_all()
        run(
            db,
            "INSERT INTO sample (id) VALUES (1), (2), (3)",
            f'UPDATE sample SET "{column}" = {stored} WHERE id = 2',
        )
        with serving(Resource(Sample, db)) as client:
            for url in ("/samples", "/samples/2"):
                response = client.get(url)
                assert response.status_code == 409, response.text
                (error,) = response.json()["errors"]
                assert (error["field"], error["loc"]) == (column, ["row", "2"])
            assert len(client.get("/samples?id__ne=2").json()) == 2
            assert len(client.get("/samples?fields=id").json()) == 3

    def test_months_are_thirty_days_and_years_365(self, db: Database) -> None:
        class Term(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            span: timedelta

        db.create_all()
        run(db, "INSERT INTO term (span) VALUES ('1 mon'), ('-2 years 1 day'), ('1 mon -03:00')")
        with serving(Resource(Term, db)) as client:
            shown = [row["span"] for row in client.get("/terms").json()]
        assert shown == ["P30D", "-P1Y364D", "P29DT21H"]

    def test_a_real_has_its_shortest_form_and_is_found_by_it(self, db: Database) -> None:
        class Price(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            price: float = Field(sa_type=sa.REAL)

        db.create_all()
        with serving(Resource(Price, db)) as client:
            client.post("/prices", json={"price": 9.8})
            row = {"id": 1, "price": 9.8}
            for query in ("", "price=9.8", "price__in=9.8,1", "price__gte=9.8", "order_by=price"):
                assert client.get(f"/prices?{query}").json() == [row]


def test_a_write_whose_response_cannot_be_rendered_stores_nothing(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

        @field_serializer("text")
        def refuse_bad(self, text: str) -> str:
            if text == "bad":
                raise ValueError("not this one")
            return text

    db.create_all()
    with serving(Resource(Note, db)) as client:
        assert client.post("/notes", json={"text": "good"}).status_code == 201
        writes: tuple[Any, ...] = (
            lambda: client.post("/notes", json={"text": "bad"}),
            lambda: client.patch("/notes/1", json={"text": "bad"}),
            lambda: client.post("/notes:batch", json=[{"text": "a"}, {"text": "bad"}]),
            lambda: client.patch("/notes:batch", json=[{"id": 1, "text": "bad"}]),
        )
        for write in writes:
            response = write()
            assert (response.status_code, response.json()["type"]) == (
                409,
                "urn:colonnade:unreadable",
            )
        assert client.get("/notes").json() == [{"id": 1, "text": "good"}]
