"""Statements that asyncpg has prepared run with fewer steps, and with the same outcomes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest

from colonnade import Database
from colonnade.database.connections._asyncpg import fetch

Run = Callable[[Callable[[Any], Awaitable[None]]], None]


@pytest.fixture
def run(db: Database) -> Run:
    """Runs a test with a connection of asyncpg, and a table t with two rows."""
    if db.url.backend != "postgresql":
        pytest.skip("asyncpg is a driver of PostgreSQL")

    def run_with_connection(test: Callable[[Any], Awaitable[None]]) -> None:
        async def main() -> None:
            async with db.async_engine.connect() as connection:
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.execute("CREATE TABLE t (a integer UNIQUE)")
                await driver.execute("INSERT INTO t VALUES (1), (2)")
                await test(driver)
            await db.dispose_async()

        asyncio.run(main())

    return run_with_connection


def test_asyncpgs_own_way_is_taken_only_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    original = asyncpg.Connection.fetch

    async def counted(self: Any, query: str, *values: Any, **options: Any) -> Any:
        calls.append(query)
        return await original(self, query, *values, **options)

    async def test(driver: Any) -> None:
        monkeypatch.setattr(asyncpg.Connection, "fetch", counted)
        for value in (1, 2, 3):
            rows = await fetch(driver, "SELECT a FROM t WHERE a = $1", [value], None)
            assert [row["a"] for row in rows] == [value] * (value < 3)
        assert len(calls) == 1

    run(test)


def test_a_changed_table_is_read_again(run: Run) -> None:
    async def test(driver: Any) -> None:
        for _ in range(2):
            assert len((await fetch(driver, "SELECT * FROM t", [], None))[0]) == 1
        await driver.execute("ALTER TABLE t ADD COLUMN b integer")
        assert len((await fetch(driver, "SELECT * FROM t", [], None))[0]) == 2

    run(test)


def test_a_write_whose_result_changed_is_not_repeated(run: Run) -> None:
    insert = "INSERT INTO t VALUES ($1) RETURNING a, pair"

    async def test(driver: Any) -> None:
        await driver.execute("CREATE TYPE pair AS (x integer)")
        await driver.execute("ALTER TABLE t ADD COLUMN pair pair DEFAULT ROW(1)")
        for value in (3, 4):
            await fetch(driver, insert, [value], None)
        await driver.execute("ALTER TYPE pair ADD ATTRIBUTE y text")
        with pytest.raises(asyncpg.OutdatedSchemaCacheError):
            await fetch(driver, insert, [5], None)
        assert await driver.fetchval("SELECT count(*) FROM t WHERE a = 5") == 1
        assert (await fetch(driver, insert, [6], None))[0]["a"] == 6

    run(test)


def test_errors_and_timeouts_are_those_of_asyncpg(run: Run) -> None:
    async def test(driver: Any) -> None:
        insert = "INSERT INTO t VALUES ($1)"
        await fetch(driver, insert, [3], None)
        with pytest.raises(asyncpg.UniqueViolationError, match="t_a_key"):
            await fetch(driver, insert, [3], None)
        assert len(await fetch(driver, "SELECT a FROM t", [], None)) == 3
        await fetch(driver, "SELECT pg_sleep($1)", [0.0], None)
        with pytest.raises(TimeoutError):
            await fetch(driver, "SELECT pg_sleep($1)", [20.0], 0.1)

    run(test)


def test_a_query_logger_sees_every_statement(run: Run) -> None:
    async def test(driver: Any) -> None:
        seen: list[str] = []
        await fetch(driver, "SELECT a FROM t", [], None)
        driver.add_query_logger(lambda record: seen.append(record.query))
        await fetch(driver, "SELECT a FROM t", [], None)
        await asyncio.sleep(0)
        assert seen == ["SELECT a FROM t"]

    run(test)
