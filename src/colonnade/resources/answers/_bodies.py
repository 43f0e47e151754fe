"""Bodies of requests and of answers, as bytes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from fastapi import Request, Response

from colonnade.errors import QueryError, error_entry

T = TypeVar("T")

LONG_BODY = 256 * 1024
"""Bytes of a body from which on it is read in a thread: it takes tens of milliseconds, in which
the event loop answers nobody else."""


async def read_body(body: bytes, read: Callable[[bytes], T]) -> T:
    """What ``read`` makes of a body; of a long one, beside the event loop."""
    return read(body) if len(body) < LONG_BODY else await asyncio.to_thread(read, body)


async def json_body(request: Request) -> bytes:
    """The body of a request that must be JSON.

    Raises:
        QueryError: It is not said to be JSON.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if body and not (kind == "application/json" or kind.endswith("+json")):
        message = "The body must be JSON, with Content-Type: application/json"
        loc = ("header", "content-type")
        raise QueryError([error_entry("content_type", loc, message, kind)])
    return body


class JSONBody(Response):
    """An answer whose JSON is written already."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """The headers, without looking for those that an answer of ours never has."""
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            (b"content-type", b"application/json"),
        ]
        for name, value in (headers or {}).items():
            self.raw_headers.append((name.lower().encode(), value.encode("latin-1")))
