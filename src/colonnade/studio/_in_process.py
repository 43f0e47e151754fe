"""Calls a Resource in process: the request of a page becomes one of the API.

The scope of the request is that of the page's request with another path, so that whatever the
application's middleware found out about it, such as the user of a session, holds here as well.
"""

import time
from collections.abc import Sequence

from fastapi import Request, Response
from starlette.types import Message, Receive, Scope, Send

from colonnade.resources import ServedTable, api_scope
from colonnade.studio._security import DATA_HEADERS


class InProcessResponse(Response):
    """The response of a Resource to a request of Studio.

    Args:
        request: The request of Studio.
        table: The table.
        below: The path below that of the Resource, such as ``/1`` or ``:batch``.
    """

    def __init__(self, request: Request, table: ServedTable, below: str) -> None:
        super().__init__()
        self._scope = api_scope(request.scope, table, below)
        self._router = table.router
        # A dependency of Studio may have read the body, which can be received only once.
        self._body: bytes | None = getattr(request, "_body", None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what the Resource answers, and how long it took."""
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = (time.perf_counter() - started) * 1000
                message = {**message, "headers": _headers(message["headers"], milliseconds)}
            await send(message)

        if self._body is not None:
            receive = _replay(self._body, receive)
        await self._router(self._scope, receive, send_with_headers)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that returns a body once more, and then what comes after it."""
    is_replayed = False

    async def receive_again() -> Message:
        nonlocal is_replayed
        if is_replayed:
            return await receive()
        is_replayed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _headers(
    headers: Sequence[tuple[bytes, bytes]], milliseconds: float
) -> list[tuple[bytes, bytes]]:
    timing = (b"server-timing", f"api;dur={milliseconds:.1f}".encode())
    added = [(name.encode(), value.encode()) for name, value in DATA_HEADERS.items()]
    replaced = {name for name, _ in added}
    return [*(pair for pair in headers if pair[0].lower() not in replaced), *added, timing]
