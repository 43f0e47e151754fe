"""Route reads to a replica that is sufficiently up to date, else to the primary."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from colonnade.database.connections._connector import connect_deadline
from colonnade.database.connections._engines import Engines
from colonnade.database.replicas._replicas import CONNECT_TIMEOUT, PRIMARY_LSN, Replicas
from colonnade.database.replicas._wal_position import MAX_LSN, Position
from colonnade.database.statements._retry import Attempts
from colonnade.errors import DatabaseError

logger = logging.getLogger("colonnade.database")

T = TypeVar("T")

READ_ONLY: dict[str, Any] = {"postgresql_readonly": True, "sqlite_readonly": True}
"""The execution options of a read-only connection."""


class ReadRouter:
    """Chooses the server for each read of one database.

    Args:
        primary: The primary's engines.
        replicas: Its replicas.
    """

    def __init__(self, primary: Engines, replicas: Replicas) -> None:
        self.replicas = replicas
        self._primary = primary
        self._position: ContextVar[Position | None] = ContextVar("colonnade_position", default=None)

    @property
    def position(self) -> Position:
        """The position that replicas must have reached for the current request or task."""
        position = self._position.get()
        if position is None:
            position = Position()
            self._position.set(position)
        return position

    @property
    def is_followed(self) -> bool:
        """Whether the code runs inside a ``following`` block."""
        position = self._position.get()
        return position is not None and position.is_following

    @contextmanager
    def following(self, lsn: int) -> Iterator[Position]:
        """Read only from servers that have reached a position, for the duration of the block.

        Args:
            lsn: The position.
        """
        token = self._position.set(Position(lsn, is_following=True))
        try:
            yield self.position
        finally:
            self._position.reset(token)

    def note_write(self) -> None:
        """Note that the current task has committed, so that it will find its own writes."""
        if self.replicas:
            self.position.has_written = True

    def run(self, read: Callable[[Engines], T]) -> T:
        """Run a read on the next replica that can serve it, or else on the primary.

        Args:
            read: Called with the engines of the chosen server.
        """
        if not self.replicas:
            return read(self._primary)
        lsn = self.required_lsn()
        for replica in self.replicas.round_robin():
            try:
                if replica.needs_refresh(lsn, time.monotonic()):
                    # Otherwise psycopg would request a read-write transaction from a standby.
                    engine = replica.engines.sync.execution_options(**READ_ONLY)
                    with engine.connect() as connection:
                        replica.refresh(connection)
                if replica.can_serve(lsn):
                    return read(replica.engines)
            except (SQLAlchemyError, DatabaseError) as error:
                if not replica.fails_over(error):
                    raise
        return read(self._primary)

    async def run_async(self, read: Callable[[Engines], Awaitable[T]]) -> T:
        """``run`` for async code."""
        if not self.replicas:
            return await read(self._primary)
        lsn = await self.required_lsn_async()
        for replica in self.replicas.round_robin():
            try:
                if replica.needs_refresh(lsn, time.monotonic()):
                    await _run_on(replica.engines, replica.refresh)
                if replica.can_serve(lsn):
                    return await read(replica.engines)
            except (SQLAlchemyError, DatabaseError) as error:
                if not replica.fails_over(error):
                    raise
        return await read(self._primary)

    def required_lsn(self) -> int:
        """Return the required position; after a write, the primary's current one."""
        position = self.position
        if position.has_written:
            with self._primary.sync.connect() as connection:
                position.lsn = connection.execute(PRIMARY_LSN).scalar_one()
            position.has_written = False
        return position.lsn

    async def written_lsn_async(self) -> int | None:
        """Return the primary's position if this task has written since the last call, else None.

        If the primary does not answer within a second, it is ``MAX_LSN``, with which later reads go
        to the primary.
        """
        if not self.position.has_written:
            return None
        try:
            with connect_deadline(CONNECT_TIMEOUT):
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    return await self.required_lsn_async()
        except (SQLAlchemyError, DatabaseError, OSError) as error:  # TimeoutError is an OSError
            logger.warning("Could not read the log position of %s: %s", self._primary.url, error)
            return MAX_LSN

    async def required_lsn_async(self) -> int:
        """``required_lsn`` for async code."""
        position = self.position
        if position.has_written:
            position.lsn = await _run_on(
                self._primary, lambda connection: connection.execute(PRIMARY_LSN).scalar_one()
            )
            position.has_written = False
        return position.lsn


async def _run_on(engines: Engines, work: Callable[[Connection], T]) -> T:
    attempts = Attempts(engines.outage, idempotent=True)
    return await engines.for_running_loop().run(work, begin=False, attempts=attempts)
