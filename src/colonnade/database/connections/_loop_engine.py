"""``LoopEngine``: what a Database has for one event loop."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from colonnade.database.connections._connection_cache import ConnectionCache
from colonnade.database.connections._connection_limiter import ConnectionLimiter
from colonnade.database.connections._connector import refuse_lost
from colonnade.database.connections._on_loop_close import OnLoopClose
from colonnade.database.statements._driver_execution import (
    NotDirect,
    idle,
    is_watched,
    opened,
    run_direct,
)
from colonnade.database.statements._plans import Bound
from colonnade.database.statements._retry import Attempts
from colonnade.database.statements._statement_limit import narrower

T = TypeVar("T")


class LoopEngine:
    """The engine of one event loop, and which statement has which of its connections.

    It is closed with the loop.

    Args:
        engine: The engine.
        pool_size: Connections that its pool keeps.
    """

    def __init__(self, engine: AsyncEngine, pool_size: int) -> None:
        self.engine = engine
        self._turns = ConnectionLimiter(pool_size)
        self._leases = ConnectionCache(engine.sync_engine)
        self._end = OnLoopClose(self._close)

    async def run(self, work: Callable[[Connection], T], *, begin: bool, attempts: Attempts) -> T:
        """``Database.run_async``, once."""
        engine = self.engine.sync_engine
        has_turn = await self._turns.take()
        try:
            if not begin and not is_watched(engine, 0):
                with suppress(NotDirect):
                    if isinstance(work, Bound):
                        return await self._run_plan(work)
                    return await greenlet_spawn(run_direct, engine, work)
            return await self._run_core(work, begin, attempts)
        finally:
            if has_turn:
                self._turns.give()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._end.aclose()

    async def _close(self) -> None:
        await self._leases.aclose()
        await self.engine.dispose()

    async def _run_plan(self, work: Bound[T]) -> T:
        """Run one statement on the driver itself, without a greenlet where none is needed."""
        engine = self.engine.sync_engine
        connection = self._leases.take() or idle(engine) or await opened(engine)
        try:
            prepared = work.plan.prepared(connection, work.parameters)
            rows = await connection.fetch(prepared, work.parameters)
        except BaseException as error:
            await connection.aclose(cut_short=not isinstance(error, Exception))
            raise
        self._leases.give(connection)
        return work.read(rows)

    async def _run_core(
        self, work: Callable[[Connection], T], begin: bool, attempts: Attempts
    ) -> T:
        engine = self.engine
        # A limit that holds here alone is a transaction's: SQLAlchemy tells asyncpg of none.
        begin = begin or narrower(None) is not None
        core = engine if begin else engine.execution_options(isolation_level="AUTOCOMMIT")
        async with core.connect() as connection:
            if not begin:
                return await connection.run_sync(work)
            async with connection.begin():
                result = await connection.run_sync(work)
                await connection.run_sync(refuse_lost)
                attempts.committing = True
                return result
