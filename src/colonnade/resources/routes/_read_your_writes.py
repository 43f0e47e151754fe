"""Read your own writes over HTTP: how far the database had come goes to the client and back.

With replicas, an answer to a write has a header and a cookie that say where the write is in the
primary's log. A request that brings either is answered by a server that has come so far.
"""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie

from fastapi import Request, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from colonnade.database import Database

HEADER = "Colonnade-Position"
COOKIE = "colonnade_position"

MAX_AGE = 60
"""Seconds that a browser keeps the cookie: a replica so far behind is left out anyway."""


class ReadYourWrites:
    """An ASGI middleware: what a client has written, it finds, whichever endpoint it asks.

    ``app.add_middleware(ReadYourWrites, db=db)``. The routes of Resources do this by themselves;
    this is for endpoints that use ``db.session()`` and ``db.session(read_only=True)``.

    Args:
        app: What answers.
        db: The database.
    """

    def __init__(self, app: ASGIApp, db: Database) -> None:
        self._app = app
        self._db = db

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or not self._db.replicas:
            await self._app(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                await _tell(self._db, MutableHeaders(scope=message), scope["scheme"])
            await send(message)

        with self._db.following(asked_position(self._db, Request(scope))):
            await self._app(scope, receive, tell)


async def follow(
    db: Database, request: Request, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Answer a request with what its client has written, and say how far that is."""
    if db.is_followed:  # by the middleware
        return await handle(request)
    with db.following(asked_position(db, request)):
        response = await handle(request)
        await _tell(db, MutableHeaders(raw=response.raw_headers), request.scope["scheme"])
        return response


def asked_position(db: Database, request: Request) -> str | None:
    """How far the database must be for a request, as it says itself."""
    position = request.headers.get(HEADER)
    if position is not None:
        return _verified(db, position)
    try:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if cookie is None else _verified(db, cookie.value)


def _signed(db: Database, position: str) -> str:
    """A position that a client cannot make up: one beyond all would keep it from every replica."""
    return f"{position}-{blake2b(position.encode(), key=db.secret, digest_size=8).hexdigest()}"


def _verified(db: Database, token: str) -> str | None:
    position = token.partition("-")[0]
    return position if compare_digest(_signed(db, position).encode(), token.encode()) else None


async def _tell(db: Database, headers: MutableHeaders, scheme: str) -> None:
    position = await db.written_position()
    if position is None:
        return
    position = _signed(db, position)
    headers[HEADER] = position
    secure = "; Secure" if scheme == "https" else ""
    cookie = f'{COOKIE}="{position}"; Max-Age={MAX_AGE}; Path=/; HttpOnly; SameSite=Lax{secure}'
    headers.append("Set-Cookie", cookie)
