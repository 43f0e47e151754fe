"""The types that an editor infers. mypy checks them in this file, and the tests run them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_type

from sqlalchemy import ColumnElement
from sqlmodel import Session

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Resource,
    Schemas,
    Shape,
    SQLModel,
    Timestamps,
    schemas,
    select,
)


def test_sync_and_async_sessions_have_their_types(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    db.create_all()
    with db.session() as session:
        assert_type(session, Session)
        assert_type(session.get(Row, 1), Row | None)
        assert_type(session.exec(select(Row)).first(), Row | None)

    async def main() -> None:
        async with db.session() as session:
            assert_type(session, AsyncSession)
            assert_type(await session.get(Row, 1), Row | None)

    asyncio.run(main())

    def count(session: Session) -> int:
        return len(session.exec(select(Row)).all())

    assert_type(db.transaction(count), int)


def test_the_scope_of_a_statement_is_a_condition(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    rows = Resource(Row, db)
    assert_type(rows.reachable, Callable[..., Awaitable[ColumnElement[bool]]])
    assert_type(rows.writable, Callable[..., Awaitable[ColumnElement[bool]]])


def test_a_schema_has_the_fields_of_its_table() -> None:
    class Row(Timestamps, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    class RowIn(Row, schema="create"):
        note: str = ""

    class RowChange(RowBase, partial=True):
        pass

    row = RowIn(name="x")
    assert_type(row.name, str)
    assert_type(row.note, str)
    assert_type(RowChange(name="y").name, str)
    assert_type(schemas(Row), Schemas)
    assert_type(schemas(Row).read, type[SQLModel])
    assert_type(Shape.of(Row), Shape)


class RowBase(SQLModel):
    name: str
