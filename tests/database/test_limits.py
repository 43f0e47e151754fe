"""Statements end when they exceed the timeout or when their task is cancelled."""

import asyncio
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from colonnade import Database
from colonnade.database import DatabaseURL, ErrorKind, error_kind_of

LONG = {
    "postgresql": "SELECT pg_sleep(20)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT sum(i) FROM n",
}


@pytest.fixture
def limited(db: Database) -> Database:
    return Database(db.url, statement_timeout=0.2)


def in_sync_session(db: Database) -> None:
    with db.session() as session:
        session.connection().execute(text(LONG[db.url.backend]))


def in_async_session(db: Database) -> None:
    async def main() -> None:
        async with db.session() as session:
            await (await session.connection()).execute(text(LONG[db.url.backend]))

    asyncio.run(main())


def in_autocommit(db: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text(LONG[db.url.backend]))

    asyncio.run(db.run_async(work))


def in_one_transaction(db: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text(LONG[db.url.backend]))

    asyncio.run(db.run_async(work, begin=True))


RUNNERS: list[Callable[[Database], None]] = [
    in_sync_session,
    in_async_session,
    in_autocommit,
    in_one_transaction,
]


@pytest.mark.parametrize("run_long_statement", RUNNERS)
def test_a_statement_ends_at_the_timeout(
    limited: Database, run_long_statement: Callable[[Database], None]
) -> None:
    started = time.monotonic()
    with pytest.raises(DBAPIError) as caught:
        run_long_statement(limited)
    assert error_kind_of(caught.value) is ErrorKind.BUSY
    assert time.monotonic() - started < 2
    limited.dispose()


@pytest.mark.parametrize("run_long_statement", RUNNERS)
def test_a_block_can_lower_the_timeout(
    db: Database, run_long_statement: Callable[[Database], None]
) -> None:
    from colonnade.errors import DatabaseError

    started = time.monotonic()
    with db.statement_timeout(0.2), pytest.raises((DBAPIError, DatabaseError)):
        run_long_statement(db)
    assert time.monotonic() - started < 2
    db.dispose()


def test_a_timeout_of_zero_or_less_is_refused(db: Database) -> None:
    with pytest.raises(ValueError, match="greater than 0"), db.statement_timeout(0):
        pass
    with pytest.raises(ValueError, match="greater than 0"):
        Database("sqlite://", statement_timeout=-1)


def test_a_connection_is_usable_after_a_timeout(limited: Database) -> None:
    for _ in range(3):
        with pytest.raises(DBAPIError):
            in_sync_session(limited)
        with limited.session() as session:
            assert session.connection().execute(text("SELECT 1")).scalar_one() == 1
    limited.dispose()


def test_a_cancelled_task_cancels_its_statement(db: Database) -> None:
    async def main() -> None:
        def work(connection: Connection) -> None:
            connection.execute(text(LONG[db.url.backend]))

        for begin in (False, True):
            task = asyncio.create_task(db.run_async(work, begin=begin))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await until_idle(db)

    asyncio.run(main())
    db.dispose()


async def until_idle(db: Database) -> None:
    """Wait until the sleeping statements have ended; fail if they do not."""
    running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE :q")

    def count_running(connection: Connection) -> int:
        if db.url.backend == "sqlite":  # SQLite has no list of running statements
            engines = db._engines
            return 0 if engines.threads._queue.is_idle and engines.writer._queue.is_idle else 1
        return int(connection.execute(running, {"q": "%pg_sleep(20)"}).scalar_one())

    for _ in range(50):
        if db.url.backend == "sqlite":
            if not count_running(None):  # type: ignore[arg-type]  # it needs no connection
                return
        elif not await db.run_async(count_running):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("a statement is still running")


def test_settings_in_the_url_are_kept_beside_the_timeout(postgresql_database: str) -> None:
    """The timeout does not replace the settings of the URL."""
    join = "&" if "?" in postgresql_database else "?"
    url = DatabaseURL.parse(f"{postgresql_database}{join}search_path=elsewhere")
    db = Database(url, statement_timeout=7)
    with db.session() as session:
        shown = session.connection().execute(
            text("SELECT current_setting('search_path'), current_setting('statement_timeout')")
        )
        assert tuple(shown.one()) == ("elsewhere", "7s")
    db.dispose()

    async def main() -> None:
        async with db.session() as session:
            connection = await session.connection()
            assert (await connection.execute(text("SHOW statement_timeout"))).scalar() == "7s"
            assert (await connection.execute(text("SHOW search_path"))).scalar() == "elsewhere"

    asyncio.run(main())
