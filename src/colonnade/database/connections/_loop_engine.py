"""``LoopEngine``: a Database's engine for one event loop."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from colonnade.database.connections._connection_cache import ConnectionCache
from colonnade.database.connections._connection_limiter import ConnectionLimiter
from colonnade.database.connections._connector import require_open_connection
from colonnade.database.connections._on_loop_close import OnLoopClose
from colonnade.database.statements._driver_execution import (
    NeedsSQLAlchemy,
    has_observers,
    idle_connection,
    open_connection,
    run_direct,
)
from colonnade.database.statements._plans import Bound
from colonnade.database.statements._retry import Attempts
from colonnade.database.statements._statement_limit import block_timeout

T = TypeVar("T")


class LoopEngine:
    """The engine of one event loop, which hands its connections to statements.

    It is closed with the loop.

    Args:
        engine: The async engine.
        pool_size: The number of connections that its pool keeps open.
    """

    def __init__(self, engine: AsyncEngine, pool_size: int) -> None:
        self.engine = engine
        self._limiter = ConnectionLimiter(pool_size)
        self._cache = ConnectionCache(engine.sync_engine)
        self._on_close = OnLoopClose(self._close)

    async def run(self, work: Callable[[Connection], T], *, begin: bool, attempts: Attempts) -> T:
        """Make one attempt at ``Database.run_async``."""
        engine = self.engine.sync_engine
        has_slot = await self._limiter.take()
        try:
            if not begin and not has_observers(engine, 0):
                with suppress(NeedsSQLAlchemy):
                    if isinstance(work, Bound):
                        return await self._run_plan(work)
                    return await greenlet_spawn(run_direct, engine, work)
            return await self._run_core(work, begin, attempts)
        finally:
            if has_slot:
                self._limiter.give()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._on_close.aclose()

    async def _close(self) -> None:
        await self._cache.aclose()
        await self.engine.dispose()

    async def _run_plan(self, work: Bound[T]) -> T:
        """Run one statement on the driver; only opening a connection needs a greenlet."""
        engine = self.engine.sync_engine
        connection = self._cache.take() or idle_connection(engine) or await open_connection(engine)
        try:
            prepared = work.plan.prepared(connection, work.parameters)
            rows = await connection.fetch(prepared, work.parameters)
        except BaseException as error:
            await connection.aclose(interrupted=not isinstance(error, Exception))
            raise
        self._cache.give(connection)
        return work.read(rows)

    async def _run_core(
        self, work: Callable[[Connection], T], begin: bool, attempts: Attempts
    ) -> T:
        engine = self.engine
        # A block's timeout is set per transaction: SQLAlchemy passes asyncpg no timeout.
        begin = begin or block_timeout() is not None
        core = engine if begin else engine.execution_options(isolation_level="AUTOCOMMIT")
        async with core.connect() as connection:
            if not begin:
                return await connection.run_sync(work)
            async with connection.begin():
                result = await connection.run_sync(work)
                await connection.run_sync(require_open_connection)
                attempts.committing = True
                return result
