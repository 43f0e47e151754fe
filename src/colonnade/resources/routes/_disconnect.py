"""A client that goes away, or has waited too long: what its request waits for is cancelled."""

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TypeVar

from fastapi import Request

T = TypeVar("T")

PATIENCE = 0.2
"""Seconds from which on it is asked whether the client is still there: most statements are shorter,
and asking takes a task."""

DEADLINE = 30.0
"""Seconds that a generated route waits for the database, unless its Resource says otherwise."""

_request: ContextVar[Request | None] = ContextVar("colonnade_request", default=None)


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


class answering:  # noqa: N801 - a context manager, used as a function is
    """Let statements inside end when the client of this request goes away.

    Args:
        request: The request.
    """

    __slots__ = ("_request", "_token")

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._token = _request.set(self._request)

    def __exit__(self, *_: object) -> None:
        _request.reset(self._token)


async def cancel_on_disconnect(work: Awaitable[T], deadline: float | None = DEADLINE) -> T:
    """What the database answers, as long as the client waits for it.

    Args:
        work: Waits for the database; the body of the request has been read.
        deadline: Seconds for it: for a thread, a connection, locks, and the statements; None for
            no limit. It costs nothing: one timer serves it and the client that goes.

    Raises:
        ClientGoneError: It does not any more; the statement is cancelled.
        DeadlineError: The time is over; the statement is cancelled.
    """
    request, task = _request.get(), asyncio.current_task()
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
