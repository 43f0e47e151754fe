"""The connection cache passes a connection between statements and returns it to the pool."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import SQLAlchemyError

from colonnade import Database
from colonnade.database import Plan
from colonnade.database.connections import _connection_cache
from colonnade.errors import DatabaseError

PID = Plan(text("SELECT pg_backend_pid()")).bound({}, lambda rows: rows.scalar_one())


@pytest.fixture
def small(postgresql_database: str) -> Iterator[Database]:
    db = Database(postgresql_database, pool_size=1, max_overflow=0, pool_timeout=2)
    yield db
    db.dispose()


def checkouts(db: Database, work: Callable[[], Awaitable[Any]]) -> int:
    """Count how often a connection is checked out of the pool."""
    seen: list[Any] = []

    async def counted() -> None:
        engine = db.async_engine.sync_engine
        event.listen(engine, "checkout", lambda *arguments: seen.append(arguments))
        await work()

    asyncio.run(counted())
    return len(seen)


def test_consecutive_statements_share_one_checkout(small: Database) -> None:
    async def several() -> None:
        pids = [await small.run_async(PID) for _ in range(50)]
        assert len(set(pids)) == 1

    assert checkouts(small, several) < 5  # a slow machine may pause in between


def test_an_idle_connection_returns_to_the_pool(small: Database) -> None:
    async def once() -> None:
        await small.run_async(PID)
        await asyncio.sleep(10 * _connection_cache.MAX_IDLE)
        pool: Any = small.async_engine.pool
        assert pool.checkedin() == 1

    assert checkouts(small, once) == 1


def test_a_session_gets_the_cached_connection_once_it_is_idle(small: Database) -> None:
    async def both() -> None:
        pid = await small.run_async(PID)
        async with small.session() as session:
            connection = await session.connection()
            assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar() == pid

    assert checkouts(small, both) == 2


def test_a_connection_returns_to_the_pool_at_its_maximum_age(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection_cache, "MAX_AGE", -1.0)

    async def several() -> None:
        for _ in range(5):
            await small.run_async(PID)

    assert checkouts(small, several) == 5


def test_a_connection_of_a_disposed_engine_is_not_reused(small: Database) -> None:
    async def around() -> None:
        before = await small.run_async(PID)
        await small.async_engine.dispose()
        assert await small.run_async(PID) != before

    asyncio.run(around())


def test_a_connection_whose_statement_failed_returns_to_the_pool(small: Database) -> None:
    wrong = Plan(text("SELECT 1 / 0")).bound({}, list)

    async def several() -> None:
        for _ in range(3):
            with pytest.raises(Exception, match="division by zero"):
                await small.run_async(wrong)
        await small.run_async(PID)

    assert checkouts(small, several) == 4


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_connection_beyond_the_pool_is_closed_with_its_loop(
    postgresql_database: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    has_begun: bool,
) -> None:
    """The pool is full when a statement ends: a task closes its connection, and is cancelled."""
    slow = Plan(text("SELECT 1 FROM pg_sleep(0.2)")).bound({}, list)
    db = Database(postgresql_database, pool_size=1, max_overflow=1)
    close = _connection_cache.ConnectionCache._return

    def close_soon(cache: _connection_cache.ConnectionCache, connection: Any) -> None:
        asyncio.get_running_loop().call_soon(close, cache, connection)

    if not has_begun:  # the loop ends in the turn in which the task was created
        monkeypatch.setattr(_connection_cache.ConnectionCache, "_return", close_soon)

    async def hold() -> None:
        async with db.session() as session:
            await session.connection()
            await asyncio.sleep(0.1)

    async def statement_outlives_session() -> None:
        holding = asyncio.create_task(hold())
        await asyncio.sleep(0.05)
        await db.run_async(slow)
        assert holding.done()

    asyncio.run(statement_outlives_session())
    gc.collect()
    db.dispose()
    assert caplog.messages == []


def test_a_lost_connection_beyond_the_pool_raises_the_databases_error(
    postgresql_database: str,
) -> None:
    slow = Plan(text("SELECT 1 FROM pg_sleep(5)")).bound({}, list)
    db = Database(postgresql_database, pool_size=1, max_overflow=1)
    other = Database(postgresql_database)

    async def hold() -> None:
        async with db.session() as session:
            await session.connection()
            await asyncio.sleep(0.2)

    async def statement_outlives_its_connection() -> None:
        holding = asyncio.create_task(hold())
        await asyncio.sleep(0.1)
        statement = asyncio.create_task(db.run_async(slow))
        await holding  # now the pool is full
        with other.session() as session:
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
                    "pg_backend_pid() AND datname = current_database() "
                    "AND query LIKE '%pg_sleep(5)' AND state = 'active'"
                )
            )
        with pytest.raises((SQLAlchemyError, DatabaseError)):
            await statement

    asyncio.run(statement_outlives_its_connection())
    db.dispose()
    other.dispose()
