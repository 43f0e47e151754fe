"""Statements that take too long, or that nobody waits for any more, end."""

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


def alone(db: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text(LONG[db.url.backend]))

    asyncio.run(db.run_async(work))


def in_one_transaction(db: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text(LONG[db.url.backend]))

    asyncio.run(db.run_async(work, begin=True))


WAYS: list[Callable[[Database], None]] = [
    in_sync_session,
    in_async_session,
    alone,
    in_one_transaction,
]


@pytest.mark.parametrize("way", WAYS)
def test_a_statement_ends_at_the_limit(limited: Database, way: Callable[[Database], None]) -> None:
    started = time.monotonic()
    with pytest.raises(DBAPIError) as caught:
        way(limited)
    assert error_kind_of(caught.value) is ErrorKind.BUSY
    assert time.monotonic() - started < 2
    limited.dispose()


@pytest.mark.parametrize("way", WAYS)
def test_the_limit_can_be_less_for_a_while(db: Database, way: Callable[[Database], None]) -> None:
    from colonnade.errors import DatabaseError

    started = time.monotonic()
    with db.statement_timeout(0.2), pytest.raises((DBAPIError, DatabaseError)):
        way(db)
    assert time.monotonic() - started < 2
    db.dispose()


def test_a_limit_is_more_than_nothing(db: Database) -> None:
    with pytest.raises(ValueError, match="more than 0"), db.statement_timeout(0):
        pass
    with pytest.raises(ValueError, match="more than 0"):
        Database("sqlite://", statement_timeout=-1)


def test_the_connection_goes_on_after_it(limited: Database) -> None:
    for _ in range(3):
        with pytest.raises(DBAPIError):
            in_sync_session(limited)
        with limited.session() as session:
            assert session.connection().execute(text("SELECT 1")).scalar_one() == 1
    limited.dispose()


def test_whoever_gives_up_has_the_statement_cancelled(db: Database) -> None:
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
    """Wait until no statement sleeps there any more, or fail."""
    running = text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE :q")

    def still(connection: Connection) -> int:
        if db.url.backend == "sqlite":  # the threads themselves are asked
            engines = db._engines
            return 0 if engines.threads._line.is_idle and engines.writer._line.is_idle else 1
        return int(connection.execute(running, {"q": "%pg_sleep(20)"}).scalar_one())

    for _ in range(50):
        if db.url.backend == "sqlite":
            if not still(None):  # type: ignore[arg-type]  # it asks no connection
                return
        elif not await db.run_async(still):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it still runs")


def test_a_url_may_say_more(postgresql_database: str) -> None:
    """What the URL sets stays set beside the limit."""
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
