"""``problems(app)`` for endpoints that write statements: constraints, and impossible values."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, FastAPI, HTTPException, Response
from fastapi.testclient import TestClient
from sqlalchemy import literal_column
from sqlalchemy.exc import NoResultFound
from sqlalchemy.sql.elements import conv

from colonnade import (
    AsyncSession,
    BigInteger,
    CheckConstraint,
    Database,
    Field,
    Integer,
    Page,
    Resource,
    Session,
    SmallInteger,
    SQLModel,
    col,
    func,
    literal,
    problems,
    select,
    text,
)
from tests.resources.sample_app import serving

_WIDE_ON_POSTGRESQL = Integer().with_variant(BigInteger(), "postgresql")
CLIENT_ERRORS = {
    "taken": ({"id": 2, "name": "a", "size": 1}, 409, "unique", "There is already a box with"),
    "no shelf": ({"id": 2, "name": "b", "shelf_id": 9}, 409, "foreign_key", "does not exist"),
    "too small": ({"id": 2, "name": "b", "size": -1}, 422, "invalid", "Out of boxes."),
    "too short": ({"id": 2, "name": ""}, 422, "invalid", "ck_box_name_min_length"),
    "too large": ({"id": 2, "name": "b", "size": 10**30}, 422, "invalid", "does not fit"),
}


@pytest.fixture
def boxes(db: Database) -> type[Any]:
    """A table with a constraint of each kind, and one row."""

    class Shelf(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Box(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(unique=True, min_length=1)
        size: int = Field(default=0, ge=0, message="Out of boxes.")
        shelf_id: int | None = Field(default=None, foreign_key="shelf.id")

    db.create_all()
    with db.session() as session:
        session.add(Shelf(id=1))
        session.flush()
        session.add(Box(id=1, name="a", shelf_id=1))
        session.commit()
    return Box


@pytest.fixture
def client(db: Database, boxes: type[Any]) -> Iterator[TestClient]:
    """A client of an app whose endpoints write statements, with sync and async sessions."""
    app = FastAPI()
    problems(app)
    AsyncSessionDep = Annotated[AsyncSession, Depends(db.get_async_session)]
    SessionDep = Annotated[Session, Depends(db.get_session)]

    @app.post("/sync", status_code=201)
    def create(values: Annotated[dict[str, Any], Body()], session: SessionDep) -> None:
        session.add(boxes(**values))
        session.commit()

    @app.post("/async", status_code=201)
    async def create_async(
        values: Annotated[dict[str, Any], Body()], session: AsyncSessionDep
    ) -> None:
        session.add(boxes(**values))
        await session.commit()

    @app.get("/sync/{key}")
    def read(key: int, session: SessionDep) -> Any:
        return session.get(boxes, key) or missing()

    @app.get("/async/{key}")
    async def read_async(key: int, session: AsyncSessionDep) -> Any:
        return await session.get(boxes, key) or missing()

    @app.get("/sync")
    def find(session: SessionDep, name: str = "", size: int = 0) -> Any:
        box = col(boxes.name)
        return session.exec(select(boxes).where(box != name, boxes.size == size)).all()

    @app.get("/async")
    async def find_async(session: AsyncSessionDep, name: str = "", size: int = 0) -> Any:
        box = col(boxes.name)
        return (await session.exec(select(boxes).where(box != name, boxes.size == size))).all()

    @app.delete("/shelves")
    def delete_shelves(session: SessionDep, sql: str) -> None:
        session.exec(text(sql))  # type: ignore[call-overload] # plain SQL

    @app.get("/report")
    def report(session: SessionDep) -> Any:
        return session.exec(select(func.sum(literal_column("2147483647") * boxes.id * 2))).one()

    @app.get("/mistakes/{kind}")
    def make_mistake(kind: str, session: SessionDep) -> None:
        if kind == "null":
            session.add(boxes(name=None))
            session.flush()
        elif kind == "zero":
            session.exec(select(1 / func.abs(literal(0)))).one()
        session.exec(text("SELECT nothing FROM nowhere"))  # type: ignore[call-overload] # the same

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def missing() -> Any:
    raise HTTPException(404, "No such box")


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("case", CLIENT_ERRORS)
def test_a_violated_constraint_is_a_problem_as_in_a_resource(
    client: TestClient, kind: str, case: str
) -> None:
    values, status, problem, words = CLIENT_ERRORS[case]
    answer = client.post(f"/{kind}", json=values)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:colonnade:{problem}")
    assert words in answer.text
    assert client.post(f"/{kind}", json={"id": 3, "name": "c"}).status_code == 201


def test_the_field_of_a_unique_constraint_is_named(client: TestClient) -> None:
    (error,) = client.post("/sync", json={"id": 2, "name": "a"}).json()["errors"]
    assert (error["field"], error["loc"]) == ("name", ["body", "name"])


@pytest.mark.parametrize("case", ["too small", "too short"])
def test_the_field_of_a_check_is_named(client: TestClient, case: str) -> None:
    (error,) = client.post("/sync", json=CLIENT_ERRORS[case][0]).json()["errors"]
    assert error["field"] == {"too small": "size", "too short": "name"}[case]


@pytest.mark.parametrize("sql", ["delete FROM shelf", "-- all\nDELETE FROM shelf WHERE id = 1"])
def test_a_row_that_others_refer_to_is_a_conflict(client: TestClient, sql: str) -> None:
    answer = client.delete("/shelves", params={"sql": sql})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:referenced")
    assert answer.json()["detail"].endswith("refer to this row.")


def test_a_number_out_of_range_that_a_statement_computes_stays_a_500(
    db: Database, client: TestClient
) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("SQLite computes with 64 bits")
    assert client.get("/report").status_code == 500


def test_no_problem_shows_the_sql_of_a_check(db: Database) -> None:
    app = FastAPI()
    problems(app)
    with db.session() as session:
        session.connection().exec_driver_sql("CREATE TABLE raw (size INT CHECK (size <> 4711))")
        session.commit()

    @app.post("/raw")
    def insert(session: Annotated[Session, Depends(db.get_session)]) -> None:
        session.exec(text("INSERT INTO raw VALUES (4711)"))  # type: ignore[call-overload] # SQL

    answer = TestClient(app).post("/raw")
    assert answer.status_code == 422
    assert "4711" not in answer.text


class TestTwoTablesOfOneName:
    """The error names neither: which one it was is not known."""

    def test_the_problem_has_the_message_of_neither(self, db: Database) -> None:
        class Item(SQLModel, table=True):
            __table_args__ = (_positive("price"),)
            id: int | None = Field(default=None, primary_key=True)
            price: int

        class Salary(SQLModel, table=True):
            __table_args__ = (_positive("pay"),)
            id: int | None = Field(default=None, primary_key=True)
            pay: int

        db.create_all()
        app = FastAPI()
        problems(app)

        @app.post("/salaries")
        def insert(session: Annotated[Session, Depends(db.get_session)]) -> None:
            session.add(Salary(pay=-1))
            session.commit()

        answer = TestClient(app).post("/salaries").json()
        on_sqlite = db.url.backend == "sqlite"  # which names the constraint alone
        expected = "The row violates the constraint positive." if on_sqlite else "pay must be > 0"
        assert answer["detail"] == expected


def _positive(column: str) -> CheckConstraint:
    return CheckConstraint(
        f"{column} > 0", name=conv("positive"), info={"message": f"{column} must be > 0"}
    )


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("key", [2**31, 2**63, -(2**63) - 1, 10**30])
def test_no_row_has_a_key_that_is_out_of_range(client: TestClient, kind: str, key: int) -> None:
    assert client.get(f"/{kind}/1").json()["name"] == "a"
    assert client.get(f"/{kind}/{key}").status_code == 404


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_value_that_no_column_can_hold_is_a_422(
    db: Database, client: TestClient, kind: str
) -> None:
    answer = client.get(f"/{kind}?size={10**30}")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:colonnade:invalid")
    with_nul = client.get(f"/{kind}?name=%00")
    assert with_nul.status_code == (200 if db.url.backend == "sqlite" else 422)


@pytest.mark.parametrize("mistake", ["null", "table"])
def test_a_mistake_in_the_endpoint_stays_a_500(client: TestClient, mistake: str) -> None:
    answer = client.get(f"/mistakes/{mistake}")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:colonnade:internal")


def test_dividing_by_zero_stays_a_500(db: Database, client: TestClient) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("SQLite divides by zero")
    assert client.get("/mistakes/zero").status_code == 500


def test_get_finds_whatever_the_database_can_store(db: Database) -> None:
    class Wide(SQLModel, table=True):
        id: int = Field(primary_key=True, sa_type=_WIDE_ON_POSTGRESQL)

    class Short(SQLModel, table=True):
        id: int = Field(primary_key=True, sa_type=SmallInteger)

    class Name(SQLModel, table=True):
        id: str = Field(primary_key=True)

    db.create_all()
    on_sqlite = db.url.backend == "sqlite"
    with db.session() as session:
        session.add_all([Wide(id=2**40), Short(id=7)])
        if on_sqlite:
            session.add_all([Short(id=40_000), Name(id="a\0b")])
        session.commit()
        session.expire_all()
        assert session.get(Wide, 2**40) is not None
        assert session.get(Short, 7) is not None
        assert (session.get(Short, 40_000) is not None) == on_sqlite
        assert (session.get(Name, "a\0b") is not None) == on_sqlite


@pytest.mark.asyncio
async def test_get_of_a_read_only_session_knows_them_too(db: Database, boxes: type[Any]) -> None:
    with db.session(read_only=True) as session:
        assert session.get(boxes, 1) is not None
        assert session.get(boxes, 10**30) is None
    async with db.session(read_only=True) as async_session:
        assert await async_session.get(boxes, 10**30) is None


def test_get_knows_keys_of_every_form(db: Database, boxes: type[Any]) -> None:
    with db.session() as session:
        for key in (1, (1,), {"id": 1}):
            box = session.get(boxes, key)
            assert box is not None
            assert box.name == "a"
        keys: list[Any] = [10**30, (10**30,), [10**30], {"id": 10**30}]
        for key in keys:
            assert session.get(boxes, key) is None
            with pytest.raises(NoResultFound):
                session.get_one(boxes, key)


def test_a_condition_of_an_endpoint_that_no_column_can_hold_is_a_422(
    db: Database, boxes: type[Any]
) -> None:
    resource = Resource(boxes, db)
    Query = Annotated[Page, Depends(resource.query)]

    @resource.get("/of")
    async def of_size(size: int, query: Query) -> Response:
        return await resource.answer(query.where(col(boxes.size) == size))

    @resource.get("/number")
    async def number(size: int, query: Query) -> list[dict[str, Any]]:
        return await resource.aggregate(query.where(col(boxes.size) == size))

    with serving(resource) as client:
        for path in ("of", "number"):
            answer = client.get(f"{resource.prefix}/{path}?size={2**70}")
            assert answer.status_code == 422, answer.text
