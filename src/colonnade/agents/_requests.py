"""Requests of tools to the Resources: in process, in the name of the request that called."""

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Scope

from colonnade.agents._answers import ToolError
from colonnade.resources import (
    ServedTable,
    SharedSession,
    answering_route,
    api_scope,
    in_process_scope,
    root_in_path,
    share_session,
)

logger = logging.getLogger("colonnade.agents")

MAX_BODY = 16 * 1024 * 1024
"""Maximum size of a response in bytes: what a tool reads before it cuts it to size."""

_OF_THE_CALL = frozenset(
    (
        "accept", "accept-encoding", "connection", "content-encoding", "content-length",
        "content-type", "expect", "idempotency-key", "if-match", "if-modified-since",
        "if-none-match", "if-range", "if-unmodified-since", "origin", "prefer", "range", "referer",
        "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""Headers that are about the call of the tool, not about who calls."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of a Resource.

    Attributes:
        status: Its status.
        headers: Its headers.
        body: Its body.
    """

    status: int
    headers: Headers
    body: bytes

    @property
    def is_error(self) -> bool:
        """Whether the request was refused, or failed."""
        return not 200 <= self.status < 300

    def json(self) -> Any:
        """The body.

        Raises:
            ToolError: It is not JSON: an endpoint of the application returned something else.
        """
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            kind = self.headers.get("content-type", "no type")
            raise ToolError(f"The application responded with {kind} instead of JSON.") from None

    def json_or_none(self) -> Any:
        """The body; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def require_success(self) -> Any:
        """The body of a response that is not an error.

        Raises:
            ToolError: It is one.
        """
        if self.is_error:
            raise ToolError(**self.problem())
        return self.json()

    def problem(self) -> dict[str, Any]:
        """What a refused request says: the members of ``ToolError``."""
        try:
            body = json.loads(self.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            body = {}
        detail = body.get("detail")
        message = detail if isinstance(detail, str) else self._without_detail()
        errors = [
            {"field": error.get("field"), "message": error.get("message")}
            for error in body.get("errors", ())[:10]
            if isinstance(error, dict)
        ]
        return {"message": message, "status": self.status, **({"errors": errors} if errors else {})}

    def _without_detail(self) -> str:
        if self.status < 400:
            return f"The application redirects this request ({self.status}), which tools do not do."
        return f"The request failed with {self.status}."


class Caller:
    """Who calls a tool: the HTTP request with which the call has arrived.

    Args:
        scope: Its ASGI scope, in the application.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.has_asked = False
        """Whether a request has been sent to a Resource, whose guards have judged the caller."""

    def route(self, table: ServedTable, below: str, method: str) -> BaseRoute | None:
        """The route that would answer a request; None if there is none.

        Args:
            table: The table.
            below: The path below that of the Resource.
            method: The method.
        """
        scope = {**api_scope(self._scope, table, below), "method": method}
        return answering_route(table.router.routes, scope)

    async def ask(
        self,
        table: ServedTable,
        below: str = "",
        method: str = "GET",
        *,
        query: Iterable[tuple[str, str]] = (),
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        session: SharedSession | None = None,
    ) -> Answer:
        """Send a request to a Resource.

        Args:
            table: The table.
            below: The path below that of the Resource.
            method: The method.
            query: The query parameters.
            body: The body, which is sent as JSON; None for none.
            headers: Further headers.
            session: The session for the statements; None for the usual one.
        """
        self.has_asked = True
        scope = api_scope(self._scope, table, below)
        if session is not None:
            share_session(scope, session)
        return await self._send(table.router, scope, method, query, body, headers or {})

    async def ask_private(
        self, router: ASGIApp, path: str, query: Iterable[tuple[str, str]] = ()
    ) -> Answer:
        """Send a request to a route that only tools can reach.

        Args:
            router: The routes.
            path: The path.
            query: The query parameters.
        """
        scope = in_process_scope(self._scope, f"{root_in_path(self._scope)}{path}")
        return await self._send(router, scope, "GET", query, None, {})

    async def _send(
        self,
        router: ASGIApp,
        scope: Scope,
        method: str,
        query: Iterable[tuple[str, str]],
        body: Any,
        headers: Mapping[str, str],
    ) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        scope["method"] = method
        scope["query_string"] = urlencode(list(query)).encode()
        scope["headers"] = [*self._headers(), *_encoded(headers, content)]
        collected = CollectedResponse()
        try:
            await router(scope, _receive(content), collected.send)
        except HTTPException as error:  # no route has the path, and so none has answered it
            body = json.dumps({"detail": error.detail}).encode()
            return Answer(error.status_code, Headers(error.headers), body)
        except Exception:
            if not collected.is_complete:
                raise
            # What follows the response, such as a background task, does not change it.
            logger.exception("%s %s failed after its response", method, scope["path"])
        return collected.answer()

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (name, value)
            for name, value in self._scope["headers"]
            if (decoded := name.decode("latin-1").lower()) not in _OF_THE_CALL
            and not decoded.startswith(("mcp-", "sec-"))
        ]


def _encoded(headers: Mapping[str, str], content: bytes) -> list[tuple[bytes, bytes]]:
    names = {"accept": "application/json", **headers}
    if content:
        names |= {"content-type": "application/json", "content-length": str(len(content))}
    return [(name.encode(), value.encode("latin-1")) for name, value in names.items()]


def _receive(content: bytes) -> Any:
    """The ``receive`` of a request whose client stays: a caller that leaves cancels the call."""
    is_sent = False

    async def receive() -> Message:
        nonlocal is_sent
        if is_sent:
            await asyncio.get_running_loop().create_future()
        is_sent = True
        return {"type": "http.request", "body": content, "more_body": False}

    return receive


class CollectedResponse:
    """Collects the response to a request in process."""

    def __init__(self) -> None:
        self._start: Message = {"status": 500, "headers": []}
        self._parts: list[bytes] = []
        self._size = 0
        self.is_complete = False
        """Whether the whole response has been sent."""

    async def send(self, message: Message) -> None:
        """Take a message of the response."""
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._parts.append(message.get("body", b""))
            self._size += len(self._parts[-1])
            self.is_complete = not message.get("more_body", False)
            if self._size > MAX_BODY:
                raise ToolError(
                    "The response is larger than a tool can read. Name fewer `fields`, or a "
                    "smaller `limit`."
                )

    def answer(self) -> Answer:
        """The response."""
        headers = Headers(raw=list(self._start["headers"]))
        return Answer(self._start["status"], headers, b"".join(self._parts))
