"""A client that goes away: what its request still waits for in the database is cancelled."""

import asyncio
from collections.abc import Awaitable
from contextvars import ContextVar
from typing import TypeVar

from fastapi import Request

T = TypeVar("T")

PATIENCE = 0.2
"""Seconds from which on it is asked whether the client is still there: most statements are shorter,
and asking takes a task."""

_request: ContextVar[Request | None] = ContextVar("colonnade_request", default=None)


class ClientGoneError(Exception):
    """Nobody waits for the answer."""


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


async def while_there(work: Awaitable[T]) -> T:
    """What the database answers, as long as the client waits for it.

    Args:
        work: Waits for the database; the body of the request has been read.

    Raises:
        ClientGoneError: It does not any more; the statement is cancelled.
    """
    request, task = _request.get(), asyncio.current_task()
    if request is None or task is None:
        return await work
    watch = _Watch(request, task)
    timer = asyncio.get_running_loop().call_later(PATIENCE, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if watch.is_gone and task.uncancel() == 0:
            raise ClientGoneError from None
        raise
    finally:
        timer.cancel()
        watch.end()


class _Watch:
    """Waits for a client to go, and cancels the task that works for it."""

    def __init__(self, request: Request, task: "asyncio.Task[object]") -> None:
        self.is_gone = False
        self._request = request
        self._task = task
        self._watcher: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look, until the end."""
        self._watcher = asyncio.get_running_loop().create_task(self._wait())

    def end(self) -> None:
        """Look no more."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _wait(self) -> None:
        is_whole = False
        while (message := await self._request.receive())["type"] != "http.disconnect":
            if is_whole:
                return  # a server that does not wait, as ASGI asks, says nothing ever
            is_whole = not message.get("more_body", False)
        self.is_gone = True
        self._task.cancel()
