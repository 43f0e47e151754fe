"""A session used after ``db.transaction()`` sees what it committed."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from colonnade import AsyncSession, Database, Field, Session, SQLModel, select
from colonnade.testing import counts


@pytest.fixture
def book(db: Database) -> Any:
    class Book(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str

    db.create_all()
    with db.session() as session:
        session.add(Book(title="Old"))
        session.commit()
    return Book


def test_queries_and_get_return_the_committed_row(db: Database, book: Any) -> None:
    def rename(session: Session) -> None:
        session.get_one(book, 1).title = "New"

    with db.session() as session:
        loaded = session.get_one(book, 1)
        db.transaction(rename)
        assert loaded.title == "Old"  # no query has loaded it again
        assert session.get(book, 1)
        assert loaded.title == "New"
        db.transaction(lambda other: setattr(other.get_one(book, 1), "title", "Newest"))
        assert [row.title for row in session.exec(select(book))] == ["Newest"]
        assert loaded.title == "Newest"


@pytest.mark.asyncio
async def test_async_sessions_return_the_committed_row(db: Database, book: Any) -> None:
    async def rename(session: AsyncSession) -> None:
        (await session.get_one(book, 1)).title = "New"

    async with db.session() as session:
        loaded = await session.get_one(book, 1)
        await db.transaction_async(rename)
        assert loaded.title == "Old"
        assert (await session.get_one(book, 1)).title == "New"
    await db.dispose_async()


@pytest.mark.parametrize("is_async", [False, True])
def test_the_session_of_an_endpoint_sees_the_transaction_of_the_endpoint(
    is_async: bool, db: Database, book: Any
) -> None:
    app = FastAPI(lifespan=db.lifespan)

    def rename(session: Session) -> None:
        session.get_one(book, 1).title = "New"

    async def rename_async(session: AsyncSession) -> None:
        (await session.get_one(book, 1)).title = "New"

    @app.post("/sync")
    def endpoint(session: Annotated[Session, Depends(db.get_session)]) -> str:
        assert session.get_one(book, 1).title == "Old"
        db.transaction(rename)
        return str(session.get_one(book, 1).title)

    @app.post("/async")
    async def async_endpoint(
        session: Annotated[AsyncSession, Depends(db.get_async_session)],
    ) -> str:
        assert (await session.get_one(book, 1)).title == "Old"
        await db.transaction_async(rename_async)
        return str((await session.get_one(book, 1)).title)

    with TestClient(app) as client:
        assert client.post("/async" if is_async else "/sync").json() == "New"


def test_a_row_is_not_read_again_where_nobody_has_committed(db: Database, book: Any) -> None:
    with db.session() as session:
        loaded = session.get_one(book, 1)
        with counts(db, exactly=0):
            assert session.get_one(book, 1) is loaded
