"""Limit the sessions of sync endpoints to the number of connections in the pool."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class SessionLimit:
    """A limit on sessions whose waiters wait on the event loop, without occupying a thread.

    A worker thread that waits for a connection is not available to a request that has one and
    needs a thread to return it. With more clients than threads, all of them would wait until the
    pool's timeout.

    Args:
        pool_size: Connections that the pool keeps open; 0 for no limit.
        max_overflow: Connections that it opens beyond those; -1 for no limit.
        timeout: Seconds to wait for a connection.
    """

    def __init__(self, pool_size: int, max_overflow: int, timeout: float) -> None:
        is_limited = pool_size > 0 and max_overflow >= 0
        self._size = pool_size + max_overflow if is_limited else sys.maxsize
        self._timeout = timeout
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
            WeakKeyDictionary()
        )

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Reserve a connection for the duration of the block.

        Raises:
            sqlalchemy.exc.TimeoutError: No connection became free in time.
        """
        semaphore = self._semaphore()
        try:
            async with asyncio.timeout(self._timeout if semaphore.locked() else None):
                await semaphore.acquire()
        except TimeoutError:
            message = (
                f"No connection became free within {self._timeout:g} seconds. Raise pool_size, "
                "max_overflow or pool_timeout."
            )
            raise PoolTimeoutError(message) from None
        try:
            yield
        finally:
            semaphore.release()

    def _semaphore(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        semaphore = self._loops.get(loop)
        if semaphore is None:
            for other in list(self._loops):
                if other.is_closed():  # its semaphore keeps it in the dictionary
                    del self._loops[other]
            semaphore = self._loops[loop] = asyncio.Semaphore(self._size)
        return semaphore
