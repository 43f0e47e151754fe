"""Request and response bodies, as bytes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from fastapi import Request, Response

from colonnade.errors import QueryError, error_entry
from colonnade.resources._fastapi_compat import body_of

T = TypeVar("T")

OK_BODY = b'{"ok":true}'
"""The body of a response that has no row."""

NO_CONTENT = 204
"""The status of a response without a body."""

LONG_BODY = 256 * 1024
"""Size in bytes from which a body is parsed in a thread: parsing takes tens of milliseconds, which
would block the event loop."""


async def read_body(body: bytes, read: Callable[[bytes], T]) -> T:
    """Parse a body with ``read``, in a thread if the body is long."""
    return read(body) if len(body) < LONG_BODY else await asyncio.to_thread(read, body)


def header_of(request: Request, name: bytes) -> str:
    """Return a header of a request; empty without it.

    Starlette's mapping takes several calls for each.

    Args:
        request: The request.
        name: The name in lower case.
    """
    for each, value in request.headers.raw:
        if each == name:
            return value.decode("latin-1")
    return ""


async def json_body(request: Request) -> bytes:
    """Return the body of a request that must be JSON.

    Raises:
        QueryError: The content type is not JSON.
    """
    kind = header_of(request, b"content-type").partition(";")[0].strip().lower()
    body = await body_of(request)
    if body and not (kind == "application/json" or kind.endswith("+json")):
        message = "The body must be JSON: send Content-Type: application/json"
        loc = ("header", "content-type")
        raise QueryError([error_entry("content_type", loc, message, kind)])
    return body


class JSONBody(Response):
    """A response whose JSON is rendered already."""

    media_type = "application/json"

    def __init__(
        self, body: bytes, status_code: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        # What Starlette's does, for bytes.
        self.status_code = status_code
        self.background = None
        self.body = body
        self.init_headers(headers)

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Set the headers without Starlette's checks for headers that are never passed here."""
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode(), value.encode("latin-1")))


def ok_response(status: int = 200) -> Response:
    """Return the response of a write that has no row."""
    return empty_response() if status == NO_CONTENT else JSONBody(OK_BODY, status)


def empty_response(headers: Mapping[str, str] | None = None) -> Response:
    """Return a response without a body."""
    return Response(status_code=NO_CONTENT, headers=headers)
