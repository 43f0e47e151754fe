"""Single statements that the driver runs itself answer as SQLAlchemy would have them."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, event, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from colonnade import Database, Field, Timestamps, Versioned
from colonnade.database import DirectConnection


@pytest.fixture
def notes(db: Database) -> Any:
    class Note(Timestamps, Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = Field(unique=True, max_length=20)
        at: datetime | None = None
        tags: list[str] = Field(default_factory=list)
        kind: str = Field(default="plain", sa_column_kwargs={"default": lambda: "made"})

    db.create_all()
    return Note


def run(db: Database, work: Callable[[Connection], Any], **options: Any) -> Any:
    async def once() -> Any:
        return await db.run_async(work, **options)

    return asyncio.run(once())


def test_values_are_bound_by_their_types_and_defaults_are_made(db: Database, notes: Any) -> None:
    table = notes.__table__
    values = {"text": "a", "at": datetime(2026, 1, 1, tzinfo=UTC), "tags": ["x"], "kind": "k"}
    made = insert(table).returning(table.c.id)
    seen: list[type] = []

    def work(connection: Connection) -> int:
        seen.append(type(connection))
        return int(connection.execute(made, values).scalar_one())

    assert run(db, work) == 1
    assert seen == [DirectConnection]
    with db.session() as session:
        row = session.get_one(notes, 1)
        assert (row.text, row.at, row.tags, row.version) == ("a", values["at"], ["x"], 1)
        assert row.created_at == row.updated_at
        before = row.updated_at
    change = update(table).where(table.c.id == bindparam("key")).values(text=bindparam("new"))
    run(
        db,
        lambda connection: connection.execute(change.returning(table.c.id), {"key": 1, "new": "b"}),
    )
    with db.session() as session:
        row = session.get_one(notes, 1)
        assert (row.text, row.version) == ("b", 2)
        assert row.updated_at > before


def test_what_only_sqlalchemy_can_make_it_makes(db: Database, notes: Any) -> None:
    made = insert(notes.__table__).returning(notes.__table__.c.kind)
    seen: list[bool] = []

    def work(connection: Connection) -> str:
        seen.append(isinstance(connection, DirectConnection))
        return str(connection.execute(made, {"text": "a", "tags": []}).scalar_one())

    assert run(db, work) == "made"  # a default that is called with a context
    assert seen == [True, False]


def test_whoever_watches_sees(
    db: Database, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def watched() -> None:
        engine = db.engine if db.url.backend == "sqlite" else db.async_engine.sync_engine

        def note(*arguments: Any) -> None:
            seen.append(arguments[2])

        event.listen(engine, "before_cursor_execute", note)
        await db.run_async(lambda connection: connection.execute(select(literal(1))).scalar())
        event.remove(engine, "before_cursor_execute", note)
        await db.run_async(lambda connection: connection.execute(select(literal(2))).scalar())

    asyncio.run(watched())
    assert len(seen) == 1
    loud = Database(database_url, echo=True)
    with caplog.at_level(logging.INFO, logger="sqlalchemy.engine"):
        run(loud, lambda connection: connection.execute(select(literal(3))).scalar())
    assert "SELECT" in caplog.text
    loud.dispose()


def test_what_the_database_refuses_is_sqlalchemys_error(db: Database, notes: Any) -> None:
    table = notes.__table__
    statement = insert(table).returning(table.c.id)
    row = {"text": "secret-text", "tags": [], "kind": "k"}

    def work(connection: Connection) -> Any:
        return connection.execute(statement, row).first()

    run(db, work)
    with pytest.raises(IntegrityError) as caught:
        run(db, work)
    assert caught.value.hide_parameters
    with pytest.raises(DBAPIError):
        run(db, lambda connection: connection.execute(text("SELECT nothing FROM nowhere")).first())
    assert run(db, lambda connection: connection.execute(select(literal(1))).scalar()) == 1


def test_a_statement_that_is_cut_short_leaves_a_pool_that_works(db: Database) -> None:
    if db.url.backend == "sqlite":
        pytest.skip("a thread cannot be cut short")

    async def cut() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                db.run_async(lambda connection: connection.execute(text("SELECT pg_sleep(5)"))), 0.2
            )
        return await db.run_async(lambda connection: connection.execute(text("SELECT 7")).scalar())

    assert asyncio.run(cut()) == 7
