"""Threads for SQLite: one hop there and back, for less than ``asyncio.to_thread`` takes.

That is 23 µs under load, and this 6: it goes by two kinds of futures, chained by callbacks; here
the thread settles the one that the event loop waits for. The statement itself is often shorter.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any, NamedTuple, TypeVar
from weakref import finalize, ref

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

T = TypeVar("T")

MOST = min(32, (os.cpu_count() or 1) + 4)
"""Threads, as many as ``concurrent.futures.ThreadPoolExecutor`` has by itself."""

Claim = list[None]
"""Of a thread that runs an item, and of whoever gives up waiting for one, the first to pop it."""

Item = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Context, Callable[[], Any], Claim]


class Threads:
    """Threads that run what event loops wait for; started as they are needed.

    They end when ``stop`` is called, or with the last reference to this.

    Args:
        most: How many there are at most.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._begin()

    async def run(self, work: Callable[[], T], *, patience: float | None = None) -> T:
        """What ``work`` returns, or raises, in a thread; with the context variables from here.

        Args:
            work: What to run.
            patience: Seconds in which a thread has to begin; None for no limit.

        Raises:
            sqlalchemy.exc.TimeoutError: No thread was free in time; ``work`` is not run.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._process != os.getpid():
            self._begin()  # it was forked, and threads stay behind
        claim: Claim = [None]
        if not self._line.put((loop, future, copy_context(), work, claim)) and patience is not None:
            self._line.waiting.add(loop, future, claim, patience)
        return await future

    def stop(self, *, wait: float = 0) -> None:
        """Have the threads end, once they have run what they were given.

        Args:
            wait: Seconds to wait for them: what is cancelled ends soon, and gives back what it has.
        """
        line = self._line
        self._finalizer()
        self._begin()
        line.join(wait)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._line = _Line(self._most)
        self._finalizer = finalize(self, self._line.stop)


class _Line:
    """What waits to be run, and the threads that run it."""

    def __init__(self, most: int) -> None:
        self.waiting = _Waiting()
        self._most = most
        self._work: SimpleQueue[Item | None] = SimpleQueue()
        self._unfinished: list[None] = []  # one for each item; append and pop are atomic
        self._threads: list[Thread] = []

    def put(self, item: Item) -> bool:
        """Have it run: by a thread that is idle, or by another, up to as many as may be.

        Returns:
            Whether there is a thread for it, so that it does not wait.
        """
        before = len(self._unfinished)
        self._unfinished.append(None)
        if before >= len(self._threads) < self._most:
            # A daemon: a program does not wait for threads of which it knows nothing.
            thread = Thread(target=self._serve, name="colonnade-sqlite", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put(item)
        return before < len(self._threads)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs, or is to run."""
        return not self._unfinished

    def stop(self) -> None:
        """Have the threads end, once nothing is left to run."""
        for _ in self._threads:
            self._work.put(None)

    def join(self, seconds: float) -> None:
        """Wait until they have ended, so long at most."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not current_thread():
                thread.join(max(0.0, end - time.monotonic()))

    def _serve(self) -> None:
        item = self._work.get()  # it was started for one
        while item is not None:
            loop, future, context, work, claim = item
            result, error = None, None
            try:
                if claim:
                    claim.pop()
                    result = context.run(work)
            except BaseException as raised:
                error = raised
            # Idle before anybody knows: whoever waits may have the next at once.
            self._unfinished.pop()
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(_settle, future, result, error)
            # Until the next, keep nothing alive.
            del item, loop, future, context, work, claim, result, error
            item = self._work.get()


class _Waiting:
    """Those who wait for a thread, and give up in time: one timer for all of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: deque[_Entry] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that has the timer

    def add(
        self,
        loop: asyncio.AbstractEventLoop,
        future: "asyncio.Future[Any]",
        claim: Claim,
        patience: float,
    ) -> None:
        """Let one wait no longer than this for a thread."""
        with self._lock:
            entries = self._entries
            while entries and entries[0].is_over:
                entries.popleft()
            entries.append(_Entry(loop.time() + patience, patience, loop, ref(future), claim))
            if self._loop is None or self._loop.is_closed():
                self._loop = loop
                loop.call_later(patience, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have those give up whose time is over, and look again when that of the next is."""
        with self._lock:
            entries = self._entries
            while entries and (entries[0].is_over or entries[0].due <= loop.time()):
                entry = entries.popleft()
                with suppress(RuntimeError):  # its loop is closed
                    entry.loop.call_soon_threadsafe(entry.give_up)
            if entries:
                loop.call_at(entries[0].due, self._look, loop)
            else:
                self._loop = None


class _Entry(NamedTuple):
    """One who waits for a thread."""

    due: float
    patience: float
    loop: asyncio.AbstractEventLoop
    future: "ref[asyncio.Future[Any]]"
    claim: Claim

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for: it has begun, or was cancelled."""
        future = self.future()
        return not self.claim or future is None or future.done()

    def give_up(self) -> None:
        """Wait no longer; what a thread has begun is not given up."""
        future = self.future()
        with suppress(IndexError):
            self.claim.pop()
            if future is not None and not future.done():
                message = f"No thread was free within {self.patience:g} seconds."
                future.set_exception(PoolTimeoutError(message))


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
