"""Leases: a connection of the pool that goes from statement to statement while there are many.

Out of SQLAlchemy's pool and back into it, reset, is a fifth of the time of a request for one row.
Under load the next one is there within a millisecond, and takes the connection over as it was left.
"""

import asyncio

from sqlalchemy import Engine

from colonnade.database.statements._driver_execution import DirectConnection

IDLE = 0.005
"""Seconds that a connection waits for the next statement; so long, at most, does a session wait for
it when the pool has no other."""

LONGEST = 1.0
"""Seconds until a connection goes back in any case, for the pool to look at its age."""


class ConnectionCache:
    """The connections between two statements of one event loop.

    Args:
        engine: Whose pool they are from.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: list[tuple[DirectConnection, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def take(self) -> DirectConnection | None:
        """The connection that was given last; None if there is none."""
        while self._idle:
            connection, _ = self._idle.pop()
            if connection.pool is self._engine.pool and not connection.is_closed():
                return connection
            connection.close(cut_short=True)  # the server, or whoever disposed of the engine, left
        return None

    def give(self, connection: DirectConnection) -> None:
        """Keep a connection, on which a statement has ended well, for the next."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if connection.began == 0:
            connection.began = now
        if now - connection.began > LONGEST or connection.is_beyond_the_pool:
            self._close(connection)
            return
        self._idle.append((connection, now))
        if self._timer is None:
            self._timer = loop.call_later(IDLE, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give those back to the pool that nobody has taken."""
        self._timer = None
        last = loop.time() - IDLE
        # The longest idle are first: what is given last is taken first.
        while self._idle and self._idle[0][1] <= last:
            self._close(self._idle.pop(0)[0])
        if self._idle:
            self._timer = loop.call_later(IDLE, self._look, loop)

    def _close(self, connection: DirectConnection) -> None:
        if connection.closes_at_once:
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(connection.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        # An event loop that ends cancels its tasks, those too that have not begun.
        task.add_done_callback(lambda _: connection.close(cut_short=True))

    async def aclose(self) -> None:
        """Give every connection back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            await self._idle.pop()[0].aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)
