"""Turns: statements wait for a connection rather than open one that is thrown away."""

import asyncio
from collections import deque

PATIENCE = 0.05
"""Seconds in which some statement has to end: what it takes to open a connection, with TLS and at
some distance. Where none does they are slower than that, and worth their own connections."""


class ConnectionLimiter:
    """Whose turn it is to have one of a pool's connections; first come, first served.

    SQLAlchemy's pool opens connections beyond its size while there is demand, and closes each as
    soon as it is given back. Under more clients than connections every statement would pay for one.

    Args:
        most: How many have a turn at once; 0: as many as come.
    """

    def __init__(self, most: int) -> None:
        self._free: float = most or float("inf")
        self._waiting: deque[asyncio.Future[bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._progress = 0.0

    async def take(self) -> bool:
        """Wait for a turn; False if nothing ends, and one should not wait for it any more."""
        if self._free > 0:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._waiting.append(future)
        if self._timer is None:
            self._progress = loop.time()
            self._look_later(loop)
        try:
            return await future
        except asyncio.CancelledError:
            if not future.cancelled() and future.result():
                self.give()
            raise

    def give(self) -> None:
        """Let the next have the turn that was taken."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                self._progress = future.get_loop().time()
                future.set_result(True)
                return
        self._free += 1

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PATIENCE
        self._timer = loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        """Whether anything has ended lately; if not, nobody waits any more."""
        self._timer = None
        now = loop.time()
        # Where something held the loop up, nothing could have been seen to end: look again.
        stuck = now - self._progress >= PATIENCE and now - due < PATIENCE / 2
        while stuck and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(False)
        if self._waiting:
            self._look_later(loop)
