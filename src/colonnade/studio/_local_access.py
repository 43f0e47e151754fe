"""``LocalAccess``: who may use Studio when a command serves it on this machine.

Other programs and web pages on the machine can reach a local port as well. The command prints a
URL with a token, which becomes a cookie. A request without it is refused, and so is one whose
``Host`` is not the address of the server: a web page can make its own name resolve to 127.0.0.1
(DNS rebinding), and would then be of the same origin.
"""

import secrets
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from colonnade.studio._security import SAFE_METHODS

_ALLOWED = "colonnade_studio_local"
"""Key in the ASGI scope of a request that has the token."""

PARAMETER = "token"
"""The query parameter with the token."""


class LocalAccess:
    """An ASGI middleware that lets in only who opened the URL that the command printed.

    Args:
        app: The application.
        hosts: The values of ``Host`` that the server answers, such as ``127.0.0.1:8000``.
        prefix: The path below which it protects the application; empty for all of it.
        token: The token; a random one by default.

    Attributes:
        hosts: The values of ``Host`` that the server answers.
        token: The token.
    """

    def __init__(
        self, app: ASGIApp, hosts: Sequence[str], *, prefix: str = "", token: str | None = None
    ) -> None:
        self._app = app
        self.hosts = frozenset(hosts)
        self._prefix = prefix
        self.token = token or secrets.token_urlsafe(24)
        # Cookies do not know ports: another Studio on this machine must not replace this one's.
        self._cookie = f"colonnade_studio_{min(hosts).rpartition(':')[2]}"

    def url(self, root: str, path: str) -> str:
        """The URL with the token, to print and to open.

        Args:
            root: The URL of the server.
            path: The path of Studio.
        """
        return f"{root}{path}?{PARAMETER}={self.token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that may pass, and refuse others."""
        if scope["type"] == "lifespan" or not self._protects(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket, of which there is none
            await send({"type": "websocket.close", "code": 1008})
            return
        response = self._answer(scope)
        if response is None:
            await self._app({**scope, _ALLOWED: True}, receive, send)
        else:
            await response(scope, receive, send)

    def _protects(self, path: str) -> bool:
        return path == self._prefix or path.startswith(f"{self._prefix}/")

    def _answer(self, scope: Scope) -> Response | None:
        """The response to a request that may not pass, or that brings the token."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self.hosts:
            return PlainTextResponse(
                f"This server does not answer requests for the host {host[:100]!r}.", 421
            )
        origin = headers.get("origin")
        if scope["method"] not in SAFE_METHODS and origin not in {None, f"http://{host}"}:
            return PlainTextResponse("Requests from other origins cannot write.", 403)
        request = Request(scope)
        token = request.query_params.get(PARAMETER)
        if token is not None and self._is_token(token):
            return self._set_cookie(request)
        if self._is_token(request.cookies.get(self._cookie, "")):
            return None
        return PlainTextResponse(
            "Open the URL that the command printed, including its token. The token changes each "
            "time the command starts.",
            401,
        )

    def _is_token(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.token.encode())

    def _set_cookie(self, request: Request) -> Response:
        """Redirect to the same page without the token, which stays in no history and no log."""
        others = [pair for pair in parse_qsl(request.url.query) if pair[0] != PARAMETER]
        query = f"?{urlencode(others)}" if others else ""
        response = RedirectResponse(f"{request.url.path}{query}", 303)
        response.set_cookie(self._cookie, self.token, httponly=True, samesite="lax")
        MutableHeaders(response.headers)["referrer-policy"] = "no-referrer"
        return response


def require_local_access(request: Request) -> None:
    """Refuse a request that did not pass ``LocalAccess``: a dependency of Studio.

    Raises:
        HTTPException: 401, it has not been opened with the token.
    """
    if not request.scope.get(_ALLOWED):
        raise HTTPException(401, "Open Studio with the URL that the command printed.")
