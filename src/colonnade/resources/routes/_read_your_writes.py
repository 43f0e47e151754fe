"""Read-your-writes over HTTP: the client sends the WAL position of its last write.

With replicas, the response to a write has a header and a cookie with its position in the
write-ahead log of the primary. A request with either one is served by a server that has replayed
the log up to that position.
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
"""Lifetime of the cookie in seconds: replicas that lag further behind are not used anyway."""


class ReadYourWrites:
    """ASGI middleware that lets each client read its own writes from replicas.

    After a write, the response has a header and a cookie with the position of the write in the log
    of the primary. The next request of the client is then served by a server that has reached it.
    Without replicas the middleware does nothing. The routes of Resources do not need it; it is for
    endpoints that use ``db.session()`` and ``db.session(read_only=True)``.

    Args:
        app: The ASGI app, which ``add_middleware`` passes.
        db: The database.

    Examples:
        ```python
        from fastapi import FastAPI

        from colonnade import Database, ReadYourWrites

        replica = "postgresql://replica.example/tasks"
        db = Database("postgresql://primary.example/tasks", replicas=[replica])
        app = FastAPI()
        app.add_middleware(ReadYourWrites, db=db)
        ```
    """

    def __init__(self, app: ASGIApp, db: Database) -> None:
        self._app = app
        self._db = db

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or not self._db.replicas:
            await self._app(scope, receive, send)
            return

        async def send_with_position(message: Message) -> None:
            if message["type"] == "http.response.start":
                await _set_position(self._db, MutableHeaders(scope=message), scope["scheme"])
            await send(message)

        with self._db.following(requested_position(self._db, Request(scope))):
            await self._app(scope, receive, send_with_position)


async def track_position(
    db: Database, request: Request, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Serve a request after its client's last write, and send the new position."""
    if db.is_followed:  # by the middleware
        return await handle(request)
    with db.following(requested_position(db, request)):
        response = await handle(request)
        await _set_position(db, MutableHeaders(raw=response.raw_headers), request.scope["scheme"])
        return response


def requested_position(db: Database, request: Request) -> str | None:
    """Return the position in the header or the cookie of a request."""
    header = request.headers.get(HEADER)
    if header is not None:
        return _verified(db, header)
    try:
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if cookie is None else _verified(db, cookie.value)


def _signed(db: Database, position: str) -> str:
    """Sign a position: a forged one in the future would keep the client from all replicas."""
    return f"{position}-{blake2b(position.encode(), key=db.secret, digest_size=8).hexdigest()}"


def _verified(db: Database, signed: str) -> str | None:
    position = signed.partition("-")[0]
    return position if compare_digest(_signed(db, position).encode(), signed.encode()) else None


async def _set_position(db: Database, headers: MutableHeaders, scheme: str) -> None:
    position = await db.written_position()
    if position is None:
        return
    position = _signed(db, position)
    headers[HEADER] = position
    secure = "; Secure" if scheme == "https" else ""
    cookie = f'{COOKIE}="{position}"; Max-Age={MAX_AGE}; Path=/; HttpOnly; SameSite=Lax{secure}'
    headers.append("Set-Cookie", cookie)
