"""``app.dependency_overrides``: a Resource uses the session that a test provides."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Response
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import func

from colonnade import AsyncSession, Database, Field, Page, Resource, SQLModel, select
from colonnade.errors import DatabaseError


@pytest.fixture
def author(db: Database) -> Any:
    class Author(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = Field(unique=True)

    db.create_all()
    return Author


@pytest.fixture
def authors(db: Database, author: Any) -> Resource:
    return Resource(author, db)


@pytest.fixture
def app(authors: Resource) -> FastAPI:
    app = FastAPI()
    app.include_router(authors)
    return app


def async_client(app: FastAPI) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(app), base_url="http://test")


def count_rows(db: Database, author: Any) -> int:
    with db.session() as session:
        return session.exec(select(func.count()).select_from(author)).one()


@pytest.mark.anyio
async def test_statements_run_in_the_transaction_of_an_async_session(
    db: Database, app: FastAPI, author: Any
) -> None:
    async with db.session() as session, async_client(app) as client:
        app.dependency_overrides[db.get_async_session] = lambda: session
        session.add(author(name="Le Guin"))  # not flushed yet
        assert [row["name"] for row in (await client.get("/authors")).json()] == ["Le Guin"]
        created = (await client.post("/authors", json={"name": "Borges"})).json()
        assert (await client.get(f"/authors/{created['id']}")).json()["name"] == "Borges"
        changed = await client.patch(f"/authors/{created['id']}", json={"name": "J. L. Borges"})
        assert changed.json()["name"] == "J. L. Borges"
        batch = await client.post("/authors:batch", json=[{"name": "Lem"}, {"name": "Eco"}])
        assert batch.status_code == 201
        assert (await client.delete(f"/authors/{created['id']}")).status_code == 200
        names = await session.exec(select(author.name).order_by(author.name))
        assert names.all() == ["Eco", "Le Guin", "Lem"]
        await session.rollback()
    app.dependency_overrides.clear()
    assert count_rows(db, author) == 0


def test_statements_run_in_the_transaction_of_a_sync_session(
    db: Database, app: FastAPI, author: Any
) -> None:
    with db.session() as session, TestClient(app) as client:
        app.dependency_overrides[db.get_session] = lambda: session
        row = author(name="Le Guin")
        session.add(row)
        assert client.get("/authors").json() == [{"id": 1, "name": "Le Guin"}]
        client.patch("/authors/1", json={"name": "Ursula"})
        assert row.name == "Ursula"  # as after an endpoint that uses the session
        session.rollback()
    app.dependency_overrides.clear()
    assert count_rows(db, author) == 0


@pytest.mark.anyio
async def test_objects_of_the_session_are_refreshed_after_a_write(
    db: Database, app: FastAPI, author: Any
) -> None:
    async with db.session() as session, async_client(app) as client:
        app.dependency_overrides[db.get_async_session] = lambda: session
        row, other = author(name="a"), author(name="b")
        session.add_all([row, other])
        await session.flush()
        await client.patch(f"/authors/{row.id}", json={"name": "c"})
        assert row.name == "c"
        other.name = "d"  # pending changes are kept
        await client.delete(f"/authors/{row.id}")
        assert other.name == "d"
        await session.commit()
    assert count_rows(db, author) == 1


def test_a_session_that_the_override_creates_is_committed(
    db: Database, app: FastAPI, author: Any
) -> None:
    def new_session() -> Iterator[Any]:
        with db.session() as session:
            yield session

    app.dependency_overrides[db.get_session] = new_session
    with TestClient(app) as client:
        assert client.post("/authors", json={"name": "Lem"}).status_code == 201
        assert client.post("/authors", json={"name": "Lem"}).status_code == 409
        assert len(client.get("/authors").json()) == 1
    assert count_rows(db, author) == 1


def test_an_async_session_that_the_override_creates_is_committed(
    db: Database, app: FastAPI, author: Any
) -> None:
    async def new_session() -> AsyncIterator[Any]:
        async with db.session() as session:
            yield session

    app.dependency_overrides[db.get_async_session] = new_session
    with TestClient(app) as client:
        assert client.post("/authors", json={"name": "Lem"}).status_code == 201
        body = [{"name": "Eco"}, {"name": "Eco"}]
        assert client.post("/authors:batch", json=body).status_code == 409
    assert count_rows(db, author) == 1


@pytest.mark.anyio
async def test_a_refused_request_does_not_abort_the_transaction(
    db: Database, app: FastAPI, author: Any
) -> None:
    async with db.session() as session, async_client(app) as client:
        app.dependency_overrides[db.get_async_session] = lambda: session
        session.add(author(name="Lem"))
        await session.flush()
        body = [{"name": "Eco"}, {"name": "Lem"}]
        assert (await client.post("/authors:batch", json=body)).status_code == 409
        assert (await client.post("/authors", json={"name": "Lem"})).status_code == 409
        names = await session.exec(select(author.name))
        assert names.all() == ["Lem"]
        await session.commit()
    assert count_rows(db, author) == 1


@pytest.mark.anyio
async def test_hooks_get_the_session(
    db: Database, app: FastAPI, authors: Resource, author: Any
) -> None:
    seen: list[Any] = []

    @authors.before("create")
    async def note(session: AsyncSession, values: dict[str, Any]) -> None:
        seen.append(session)

    async with db.session() as session, async_client(app) as client:
        app.dependency_overrides[db.get_async_session] = lambda: session
        assert (await client.post("/authors", json={"name": "Lem"})).status_code == 201
        assert seen == [session]
        await session.rollback()
    assert count_rows(db, author) == 0


def test_hooks_need_an_async_session(db: Database, app: FastAPI, authors: Resource) -> None:
    @authors.before("create")
    def note(session: Any, values: dict[str, Any]) -> None: ...

    with db.session() as session, TestClient(app) as client:
        app.dependency_overrides[db.get_session] = lambda: session
        with pytest.raises(DatabaseError, match=r"override db\.get_async_session"):
            client.post("/authors", json={"name": "Lem"})


def test_an_override_must_provide_a_session(db: Database, app: FastAPI) -> None:
    app.dependency_overrides[db.get_async_session] = lambda: "session"
    message = r"overrides\[db\.get_async_session\] must provide a Session .*, not a str"
    with TestClient(app) as client, pytest.raises(DatabaseError, match=message):
        client.get("/authors")


def test_a_custom_endpoint_uses_the_session(db: Database, author: Any, authors: Resource) -> None:
    @authors.get("/all")
    async def list_all(page: Page = Depends(authors.query)) -> Response:
        return await authors.answer(page)

    app = FastAPI()
    app.include_router(authors)
    with db.session() as session, TestClient(app) as client:
        app.dependency_overrides[db.get_session] = lambda: session
        session.add(author(name="Lem"))
        assert [row["name"] for row in client.get("/authors/all").json()] == ["Lem"]
