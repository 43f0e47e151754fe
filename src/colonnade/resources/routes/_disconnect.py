"""A client that goes away, or has waited too long: what its request waits for is cancelled."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

T = TypeVar("T")

PATIENCE = 0.2
"""Seconds from which on it is asked whether the client is still there: most statements are shorter,
and asking takes a task."""

DEADLINE = 30.0
"""Seconds that a generated route waits for the database, unless its Resource says otherwise."""


class ClientGoneError(Exception):
    """Nobody waits for the answer."""


class DeadlineError(Exception):
    """The database was waited for as long as may be.

    Args:
        seconds: So long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"No answer within {seconds:g} seconds.")
        self.seconds = seconds


async def cancel_on_disconnect(
    request: Request | None, work: Awaitable[T], deadline: float | None = DEADLINE
) -> T:
    """Await the database for as long as the client waits for the response.

    Args:
        request: Whose client; None to wait for the work to its end.
        work: Waits for the database; the body of the request has been read.
        deadline: Seconds for it: for a thread, a connection, locks, and the statements; None for
            no limit. It costs nothing: one timer serves it and the client that goes.

    Raises:
        ClientGoneError: It does not any more; the statement is cancelled.
        DeadlineError: The time is over; the statement is cancelled.
    """
    task = asyncio.current_task()
    if request is None or task is None:
        return await work
    watch = _Watch(request, task, deadline)
    timer = asyncio.get_running_loop().call_later(watch.patience, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.reason is not None and task.uncancel() == 0:
            raise watch.reason from None
        raise
    finally:
        timer.cancel()
        watch.end()


class _Watch:
    """Waits for a client to go, or for the deadline, and cancels the task that works for it."""

    def __init__(
        self, request: Request, task: "asyncio.Task[object]", deadline: float | None
    ) -> None:
        self.patience = PATIENCE if deadline is None else min(PATIENCE, deadline)
        self.reason: ClientGoneError | DeadlineError | None = None
        self._request = request
        self._task = task
        self._deadline = deadline
        self._watcher: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look, until the end."""
        self._watcher = asyncio.get_running_loop().create_task(self._wait())

    def end(self) -> None:
        """Look no more."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _wait(self) -> None:
        deadline = self._deadline
        try:
            async with asyncio.timeout(None if deadline is None else deadline - self.patience):
                await self._departure()
            self.reason = ClientGoneError()
        except TimeoutError:
            assert deadline is not None
            self.reason = DeadlineError(deadline)
        self._task.cancel()

    async def _departure(self) -> None:
        is_whole = False
        while (message := await self._request.receive())["type"] != "http.disconnect":
            if is_whole:
                # A server that does not wait, as ASGI asks, says nothing ever.
                await asyncio.get_running_loop().create_future()
            is_whole = not message.get("more_body", False)
