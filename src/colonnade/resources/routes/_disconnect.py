"""Cancel the database work of a request whose client disconnects or whose deadline passes."""

import asyncio
from collections.abc import Awaitable
from contextvars import Context, copy_context
from itertools import takewhile
from typing import ClassVar, TypeVar

from fastapi import Request

T = TypeVar("T")

DISCONNECT_CHECK_AFTER = 0.2
"""Seconds after which a request starts to watch for a disconnect: most statements are shorter, and
watching takes a task."""

DEADLINE = 30.0
"""Default for ``Resource(deadline=...)``: seconds that a generated route waits for the database."""


class ClientGoneError(Exception):
    """The client has disconnected."""


class DeadlineError(Exception):
    """The database did not respond before the deadline.

    Args:
        seconds: The deadline in seconds.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The database did not respond within {seconds:g} s.")
        self.seconds = seconds


async def cancel_on_disconnect(
    request: Request | None, work: Awaitable[T], deadline: float | None = DEADLINE
) -> T:
    """Await the database for as long as the client waits for the response.

    Args:
        request: The request of the client; None to wait until the work is done.
        work: The database work; the body of the request must have been read.
        deadline: Seconds for all of it: a thread, a connection, locks, and the statements; None
            for no limit. The deadline and the disconnect share one timer.

    Raises:
        ClientGoneError: The client disconnected, and the statement was cancelled.
        DeadlineError: The deadline passed, and the statement was cancelled.
    """
    task = asyncio.current_task()
    if request is None or task is None:
        return await work
    watch = _Watch(request, task, deadline)
    _PendingWatches.of(asyncio.get_running_loop()).add(watch)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.reason is not None and task.uncancel() == 0:
            raise watch.reason from None
        raise
    finally:
        watch.end()


class _PendingWatches:
    """The requests of one event loop that are not yet watched, with one timer for all of them.

    Most requests end before it is their turn: for those, a timer each would be the largest cost.

    Args:
        loop: The event loop.

    Attributes:
        loop: The event loop.
    """

    _latest: ClassVar["_PendingWatches | None"] = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._due: dict[_Watch, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> "_PendingWatches":
        """Return the pending watches of an event loop; as a rule, a process has one loop."""
        pending = cls._latest
        if pending is None or pending.loop is not loop:
            cls._latest = pending = cls(loop)
        return pending

    def add(self, watch: "_Watch") -> None:
        """Begin a watch after its patience, unless it ends before."""
        if watch.patience < DISCONNECT_CHECK_AFTER:
            watch.timer = self.loop.call_later(watch.patience, watch.begin)
            return
        watch.pending = self._due
        self._due[watch] = due = self.loop.time() + watch.patience
        if self._timer is None:
            self._set_timer(due)

    def _set_timer(self, due: float) -> None:
        # It would keep the context variables of a request, and pass them on to others.
        self._timer = self.loop.call_at(due, self._begin, context=Context())

    def _begin(self) -> None:
        """Begin the watches that are due, which are the first ones, and set the timer again."""
        now, self._timer = self.loop.time(), None
        for watch, _ in list(takewhile(lambda item: item[1] <= now, self._due.items())):
            del self._due[watch]
            watch.begin()
        if self._due:
            self._set_timer(next(iter(self._due.values())))


class _Watch:
    """Cancels the task of a request when the client disconnects or the deadline passes."""

    __slots__ = (
        "_context", "_deadline", "_request", "_task", "_watcher", "patience", "pending", "reason",
        "timer",
    )  # fmt: skip

    def __init__(
        self, request: Request, task: "asyncio.Task[object]", deadline: float | None
    ) -> None:
        self.patience = (
            DISCONNECT_CHECK_AFTER if deadline is None else min(DISCONNECT_CHECK_AFTER, deadline)
        )
        self.pending: dict[_Watch, float] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.reason: ClientGoneError | DeadlineError | None = None
        self._request = request
        self._task = task
        self._deadline = deadline
        self._context = copy_context()
        self._watcher: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start to watch."""
        self._watcher = asyncio.get_running_loop().create_task(self._wait(), context=self._context)

    def end(self) -> None:
        """Stop watching."""
        if self.pending is not None:
            self.pending.pop(self, None)
        if self.timer is not None:
            self.timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    async def _wait(self) -> None:
        deadline = self._deadline
        try:
            async with asyncio.timeout(None if deadline is None else deadline - self.patience):
                await self._wait_for_disconnect()
            self.reason = ClientGoneError()
        except TimeoutError:
            assert deadline is not None
            self.reason = DeadlineError(deadline)
        self._task.cancel()

    async def _wait_for_disconnect(self) -> None:
        body_is_complete = False
        while (message := await self._request.receive())["type"] != "http.disconnect":
            if body_is_complete:
                # Some servers repeat the empty body at once instead of waiting for the disconnect.
                await asyncio.get_running_loop().create_future()
            body_is_complete = not message.get("more_body", False)
