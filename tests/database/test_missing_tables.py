"""Errors about missing tables and columns name the commands that create them."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade import Database, Field, SQLModel, select, text
from colonnade.database.statements._missing_tables import NOTE


def select_from(sql: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(sql))


def test_a_session_explains_a_missing_table(db: Database) -> None:
    class Book(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    with db.session() as session, pytest.raises(DBAPIError) as failure:
        session.exec(select(Book)).all()
    assert failure.value.__notes__ == [NOTE]
    assert "colonnade upgrade" in NOTE


@pytest.mark.asyncio
async def test_an_async_session_explains_a_missing_column(db: Database) -> None:
    async with db.session() as session:
        connection = await session.connection()
        await connection.execute(text("CREATE TABLE book (id INTEGER)"))
        with pytest.raises(DBAPIError) as failure:
            await connection.execute(text("SELECT id, title FROM book"))
    assert failure.value.__notes__ == [NOTE]
    await db.dispose_async()


@pytest.mark.asyncio
@pytest.mark.parametrize("begin", [False, True])
async def test_the_driver_explains_a_missing_table(begin: bool, db: Database) -> None:
    with pytest.raises(DBAPIError) as failure:
        await db.run_async(select_from("SELECT 1 FROM book"), begin=begin)
    assert failure.value.__notes__ == [NOTE]
    await db.dispose_async()


def test_other_errors_have_no_note(db: Database) -> None:
    with db.session() as session, pytest.raises(DBAPIError) as failure:
        session.execute(text("SELEC 1"))
    assert not hasattr(failure.value, "__notes__")
