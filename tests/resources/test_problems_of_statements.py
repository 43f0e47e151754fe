"""``problems(app)`` for endpoints that write statements: constraints, and impossible values."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Body, Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from sqlalchemy.exc import NoResultFound

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Session,
    SQLModel,
    col,
    func,
    literal,
    problems,
    select,
    text,
)

CLIENT_ERRORS = {
    "taken": ({"id": 2, "name": "a", "size": 1}, 409, "unique", "There is already a box with"),
    "no shelf": ({"id": 2, "name": "b", "shelf_id": 9}, 409, "foreign_key", "does not exist"),
    "too small": ({"id": 2, "name": "b", "size": -1}, 422, "invalid", "ck_box_size_ge"),
    "too large": ({"id": 2, "name": "b", "size": 10**30}, 422, "invalid", "does not fit"),
}


@pytest.fixture
def boxes(db: Database) -> type[Any]:
    """A table with a constraint of each kind, and one row."""

    class Shelf(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Box(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(unique=True)
        size: int = Field(default=0, ge=0)
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
    def delete_shelves(session: SessionDep) -> None:
        session.exec(text("delete FROM shelf"))  # type: ignore[call-overload] # plain SQL

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


def test_a_row_that_others_refer_to_is_a_conflict(client: TestClient) -> None:
    answer = client.delete("/shelves")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:referenced")


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


def test_get_knows_keys_of_every_form(db: Database, boxes: type[Any]) -> None:
    with db.session() as session:
        for key in (1, (1,), {"id": 1}):
            box = session.get(boxes, key)
            assert box is not None
            assert box.name == "a"
        for key in (10**30, (10**30,), {"id": 10**30}):
            assert session.get(boxes, key) is None
            with pytest.raises(NoResultFound):
                session.get_one(boxes, key)
