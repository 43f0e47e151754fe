"""A connection goes from one statement to the next, and back into the pool."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from colonnade import Database
from colonnade.database import Plan
from colonnade.database.connections import _connection_cache

PID = Plan(text("SELECT pg_backend_pid()")).bound({}, lambda rows: rows.scalar_one())


@pytest.fixture
def small(postgresql_database: str) -> Iterator[Database]:
    db = Database(postgresql_database, pool_size=1, max_overflow=0, pool_timeout=2)
    yield db
    db.dispose()


def checkouts(db: Database, work: Callable[[], Awaitable[Any]]) -> int:
    """How often a connection was taken out of the pool."""
    seen: list[Any] = []

    async def counted() -> None:
        engine = db.async_engine.sync_engine
        event.listen(engine, "checkout", lambda *arguments: seen.append(arguments))
        await work()

    asyncio.run(counted())
    return len(seen)


def test_statements_that_follow_each_other_use_one_checkout(small: Database) -> None:
    async def several() -> None:
        pids = [await small.run_async(PID) for _ in range(50)]
        assert len(set(pids)) == 1

    assert checkouts(small, several) < 5  # a slow machine may pause in between


def test_what_nobody_takes_goes_back(small: Database) -> None:
    async def once() -> None:
        await small.run_async(PID)
        await asyncio.sleep(10 * _connection_cache.IDLE)
        pool: Any = small.async_engine.pool
        assert pool.checkedin() == 1

    assert checkouts(small, once) == 1


def test_a_session_waits_no_longer_than_that(small: Database) -> None:
    async def both() -> None:
        pid = await small.run_async(PID)
        async with small.session() as session:
            connection = await session.connection()
            assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar() == pid

    assert checkouts(small, both) == 2


def test_it_goes_back_after_a_while_in_any_case(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection_cache, "LONGEST", -1.0)

    async def several() -> None:
        for _ in range(5):
            await small.run_async(PID)

    assert checkouts(small, several) == 5


def test_one_of_an_engine_that_was_disposed_of_is_not_used(small: Database) -> None:
    async def around() -> None:
        before = await small.run_async(PID)
        await small.async_engine.dispose()
        assert await small.run_async(PID) != before

    asyncio.run(around())


def test_one_that_failed_goes_back_to_the_pool(small: Database) -> None:
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
    close = _connection_cache.ConnectionCache._close

    def close_soon(cache: _connection_cache.ConnectionCache, connection: Any) -> None:
        asyncio.get_running_loop().call_soon(close, cache, connection)

    if not has_begun:  # the loop ends in the turn in which the task was created
        monkeypatch.setattr(_connection_cache.ConnectionCache, "_close", close_soon)

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
