"""Column types: enums, decimals, datetimes, text and application types."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import (
    AnyUrl,
    HttpUrl,
    PostgresDsn,
)
from sqlalchemy.exc import StatementError

from colonnade import (
    Database,
    Field,
    Resource,
    SQLModel,
    UTCDateTime,
    select,
    text,
    update,
)
from colonnade.errors import StoredValueError
from tests.models.storing import Priority, store_and_read
from tests.resources.sample_app import serving


def test_enum_members_stored_by_name_can_be_read(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        priority: Priority

    with db.engine.begin() as connection:  # as plain sqlmodel creates it
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
def test_a_decimal_that_cannot_be_stored_exactly_is_refused(db: Database, number: Any) -> None:
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


def test_a_naive_datetime_is_local_time_and_is_returned_in_utc(
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
        # The row has the stored value without a reload.
        assert (row.at, row.at.tzinfo) == (naive.astimezone(UTC), UTC)
        session.expire_all()
        assert (row.at, row.at.tzinfo) == (naive.astimezone(UTC), UTC)
        assert other.at == datetime(2024, 7, 1, 7, tzinfo=UTC)
        session.exec(update(Row).where(sa.column("id") == row.id).values(at=naive))
        assert session.exec(select(Row).where(Row.at == naive)).one() is row


def test_utcdatetime_extends_sqlmodels() -> None:
    import sqlmodel

    assert issubclass(UTCDateTime, sqlmodel.UTCDateTime)


@pytest.mark.parametrize(
    ("kind", "sa_type"), [(HttpUrl, None), (AnyUrl, sa.String(200)), (HttpUrl, sa.Text)]
)
def test_a_url_is_stored_as_text(db: Database, kind: Any, sa_type: Any) -> None:
    field: Any = Field() if sa_type is None else Field(sa_type=sa_type)

    class Link(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        url: kind = field

    db.create_all()
    with db.session() as session:
        session.add(Link(url=kind("https://example.com/a")))
        session.commit()
        assert isinstance(session.exec(select(Link)).one().url, kind)
    with serving(Resource(Link, db)) as client:
        created = client.post("/links", json={"url": "https://example.com"})
        assert created.json() == {"id": 2, "url": "https://example.com/"}
        for query in (
            "url=https://example.com",
            "url__endswith=.com/",
            "url__in=https://example.com",
        ):
            assert client.get(f"/links?{query}").json() == [created.json()]
        assert client.post("/links", json={"url": "no URL"}).status_code == 422


def test_the_url_of_a_database_is_stored_as_text(db: Database) -> None:
    class Server(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        dsn: PostgresDsn

    db.create_all()
    dsn = "postgresql://one:1,two:2/db"
    with db.session() as session:
        session.add(Server(dsn=PostgresDsn(dsn)))
        session.commit()
        assert str(session.exec(select(Server)).one().dsn) == dsn


class Point(sa.types.UserDefinedType[Any]):
    """A type whose values only Python can read."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "TEXT"

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        return lambda value: value and f"({value[0]},{value[1]})"

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        return lambda value: value and tuple(map(float, value.strip("()").split(",")))


def test_an_application_can_define_a_type(db: Database) -> None:
    class Venue(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        at: tuple[float, float] | None = Field(default=None, sa_type=Point)

    db.create_all()
    with serving(Resource(Venue, db)) as client:
        assert client.post("/venues", json={"at": [3, 4]}).json() == {"id": 1, "at": [3.0, 4.0]}
        client.post("/venues:batch", json=[{"at": [1, 2]}, {}])
        assert [row["at"] for row in client.get("/venues").json()] == [[3.0, 4.0], [1.0, 2.0], None]
        assert client.patch("/venues/1", json={"at": None}).json()["at"] is None
