"""How many sessions of sync endpoints there are at once: as many as the pool has connections."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class ConnectionLimit:
    """A limit that is waited for on the event loop, without a thread.

    A worker thread that waits for a connection keeps one from those who have a connection and need
    a thread to give it back: with more clients than threads all of them wait until the pool's
    timeout.

    Args:
        pool_size: Connections that the pool keeps; 0 for no limit.
        max_overflow: Connections that it opens beyond those; -1 for no limit.
        patience: Seconds to wait for one.
    """

    def __init__(self, pool_size: int, max_overflow: int, patience: float) -> None:
        is_limited = pool_size > 0 and max_overflow >= 0
        self._most = pool_size + max_overflow if is_limited else sys.maxsize
        self._patience = patience
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Be one of those who have a connection.

        Raises:
            sqlalchemy.exc.TimeoutError: There was none in time.
        """
        semaphore = self._of_loop()
        try:
            async with asyncio.timeout(self._patience if semaphore.locked() else None):
                await semaphore.acquire()
        except TimeoutError:
            message = f"No connection was free within {self._patience:g} seconds."
            raise PoolTimeoutError(message) from None
        try:
            yield
        finally:
            semaphore.release()

    def _of_loop(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        semaphore = self._loops.get(loop)
        if semaphore is None:
            for other in list(self._loops):
                if other.is_closed():  # which its semaphore keeps alive
                    del self._loops[other]
            semaphore = self._loops[loop] = asyncio.Semaphore(self._most)
        return semaphore
