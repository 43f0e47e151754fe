"""Make statements wait for a pooled connection rather than open a temporary one."""

import asyncio
from collections import deque

STALL_TIMEOUT = 0.05
"""Seconds without a released slot after which waiting statements open further connections. It is
about what opening one takes with TLS over a network: slower statements are worth a connection."""


class ConnectionLimiter:
    """Grants the slots of a connection pool, first come, first served.

    SQLAlchemy's pool opens connections beyond its size on demand and closes each one as soon as it
    is returned. With more clients than connections, every statement would pay for opening one.

    Args:
        slots: The number of statements that may hold a slot at once; 0 for no limit.
    """

    def __init__(self, slots: int) -> None:
        self._free: float = slots or float("inf")
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._last_release = 0.0

    async def take(self) -> bool:
        """Wait for a slot. Return False if none was released in time: continue without one."""
        if self._free > 0:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(future)
        if self._timer is None:
            self._last_release = loop.time()
            self._schedule_check(loop)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled() and future.result():
                self.give()
            raise

    def give(self) -> None:
        """Release a slot to the next in line."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                self._last_release = future.get_loop().time()
                future.set_result(True)
                return
        self._free += 1

    def _schedule_check(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + STALL_TIMEOUT
        self._timer = loop.call_at(due, self._give_up_if_stalled, loop, due)

    def _give_up_if_stalled(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Let everyone continue without a slot if none was released lately."""
        self._timer = None
        now = loop.time()
        # If the event loop was blocked, releases may not have been seen yet: check again later.
        is_stalled = now - self._last_release >= STALL_TIMEOUT and now - due < STALL_TIMEOUT / 2
        while is_stalled and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(False)
        if self._waiting:
            self._schedule_check(loop)
