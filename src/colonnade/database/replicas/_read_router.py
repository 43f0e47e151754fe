"""Where reads go: to a replica that is far enough, else to the primary."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from colonnade.database.connections._connector import counting
from colonnade.database.connections._engines import Engines
from colonnade.database.replicas._replicas import PATIENCE, PRIMARY_POSITION, Replicas
from colonnade.database.replicas._wal_position import BEYOND, Position
from colonnade.database.statements._retry import Attempts
from colonnade.errors import DatabaseError

logger = logging.getLogger("colonnade.database")

T = TypeVar("T")

READ_ONLY: dict[str, Any] = {"postgresql_readonly": True, "sqlite_readonly": True}
"""The execution options of what only reads."""


class ReadRouter:
    """The reads of one database.

    Args:
        primary: What the primary is reached by.
        replicas: The others.
    """

    def __init__(self, primary: Engines, replicas: Replicas) -> None:
        self.replicas = replicas
        self._primary = primary
        self._position: ContextVar[Position | None] = ContextVar("colonnade_position", default=None)

    @property
    def position(self) -> Position:
        """How far replicas have to be for the code that asks: for a request, or a task."""
        position = self._position.get()
        if position is None:
            position = Position()
            self._position.set(position)
        return position

    @property
    def is_followed(self) -> bool:
        """Whether ``following`` is around."""
        position = self._position.get()
        return position is not None and position.is_bound

    @contextmanager
    def following(self, reached: int) -> Iterator[Position]:
        """Read nothing older inside than what has been reached.

        Args:
            reached: The position.
        """
        token = self._position.set(Position(reached, is_bound=True))
        try:
            yield self.position
        finally:
            self._position.reset(token)

    def note_write(self) -> None:
        """Something was committed: whoever did it is to find it."""
        if self.replicas:
            self.position.has_written = True

    def over(self, run: Callable[[Engines], T]) -> T:
        """Have a read run on the next replica that can; on the primary where none can.

        Args:
            run: Called with what to run on.
        """
        if not self.replicas:
            return run(self._primary)
        position = self.reached()
        for replica in self.replicas.in_turn():
            try:
                if replica.has_to_be_asked(position, time.monotonic()):
                    # psycopg would ask a standby for a transaction that writes, else.
                    engine = replica.engines.sync.execution_options(**READ_ONLY)
                    with engine.connect() as connection:
                        replica.look(connection)
                if replica.is_fit(position):
                    return run(replica.engines)
            except (SQLAlchemyError, DatabaseError) as error:
                if not replica.failed(error):
                    raise
        return run(self._primary)

    async def over_async(self, run: Callable[[Engines], Awaitable[T]]) -> T:
        """``over`` for async code."""
        if not self.replicas:
            return await run(self._primary)
        position = await self.reached_async()
        for replica in self.replicas.in_turn():
            try:
                if replica.has_to_be_asked(position, time.monotonic()):
                    await _asked(replica.engines, replica.look)
                if replica.is_fit(position):
                    return await run(replica.engines)
            except (SQLAlchemyError, DatabaseError) as error:
                if not replica.failed(error):
                    raise
        return await run(self._primary)

    def reached(self) -> int:
        """The position, asked of the primary if something was written since."""
        position = self.position
        if position.has_written:
            with self._primary.sync.connect() as connection:
                position.reached = connection.execute(PRIMARY_POSITION).scalar_one()
            position.has_written = False
        return position.reached

    async def written_async(self) -> int | None:
        """The position, if something was written since it was last asked; else None.

        ``BEYOND`` where the primary does not say within a second: whoever brings that back is
        sent to the primary.
        """
        if not self.position.has_written:
            return None
        try:
            with counting(PATIENCE):
                async with asyncio.timeout(PATIENCE):
                    return await self.reached_async()
        except (SQLAlchemyError, DatabaseError, OSError) as error:  # TimeoutError is one
            logger.warning("%s did not report its WAL position: %s", self._primary.url, error)
            return BEYOND

    async def reached_async(self) -> int:
        """``reached`` for async code."""
        position = self.position
        if position.has_written:
            position.reached = await _asked(
                self._primary, lambda connection: connection.execute(PRIMARY_POSITION).scalar_one()
            )
            position.has_written = False
        return position.reached


async def _asked(engines: Engines, work: Callable[[Connection], T]) -> T:
    attempts = Attempts(engines.outage, idempotent=True)
    return await engines.of_loop().run(work, begin=False, attempts=attempts)
