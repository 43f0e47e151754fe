"""The MCP server over streamable HTTP: an ASGI application without sessions."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import anyio
from fastapi import FastAPI
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from colonnade.agents._answers import ToolError
from colonnade.agents._protocol import protocol_server
from colonnade.agents._toolbox import Toolbox
from colonnade.resources import answering_route

logger = logging.getLogger("colonnade.agents")

MAX_REQUEST = 1024 * 1024
"""Maximum size of a request in bytes."""


class HTTPServer:
    """The MCP server over HTTP.

    Each request is served by itself: there is no state that another process would lack, and none
    that another caller could use.

    Args:
        app: The application in which it is mounted.
        toolbox: The tools.
        origins: Further origins whose pages may call it.
    """

    def __init__(self, app: FastAPI, toolbox: Toolbox, origins: Sequence[str]) -> None:
        self._app = app
        self._toolbox = toolbox
        self._origins = frozenset(origins)
        self._server = protocol_server(toolbox, app.title, self._call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        if scope.get("app") is not self._app:
            # Its guards and its exception handlers would be missing.
            logger.error("The MCP server of %r is mounted in another app", self._app.title)
            where = "Mount this server in the app that was passed to mcp_server()."
            response = PlainTextResponse(where, 500)
            await response(scope, receive, send)
            return
        if not self._is_allowed(Headers(scope=scope)):
            response = PlainTextResponse("Pages of another origin may not call this server.", 403)
            await response(scope, receive, send)
            return
        call = scope.get(CALL_KEY)
        if isinstance(call, InProcessCall):
            await call.run(self._toolbox, lambda: self._scope_of_app(scope))
            await PlainTextResponse("")(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of the protocol, for as long as its client waits."""
        manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, max_request_body_size=MAX_REQUEST
        )
        body = _Body(receive)
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                await body.wait_for_disconnect()
                group.cancel_scope.cancel()

            group.start_soon(watch)
            async with manager.run():
                await manager.handle_request(scope, body.receive, send)
            group.cancel_scope.cancel()

    async def _call(
        self, name: str, arguments: Mapping[str, Any], context: ServerRequestContext[Any]
    ) -> dict[str, Any]:
        request: Any = context.request
        return await self._toolbox.call(name, arguments, self._scope_of_app(request.scope))

    def _scope_of_app(self, scope: Scope) -> Scope:
        """The scope as the application has received it: without the path of the mount.

        Raises:
            ToolError: The mount cannot be found, so that guards would see another path than that
                of their table.
        """
        roots = _prefixes(str(scope.get("root_path", "")))
        root = next(filter(partial(self._is_root, scope), roots), None)
        if root is None:
            raise ToolError(
                "The server of these tools is mounted in a way that hides the paths of the "
                "application. Mount what mcp_server() returns, without a wrapper."
            )
        return {**scope, "root_path": root}

    def _is_root(self, scope: Scope, root: str) -> bool:
        """Whether the application answers the request with this server if it has this root."""
        route = answering_route(self._app.router.routes, {**scope, "root_path": root})
        return getattr(route, "app", None) is self

    def _is_allowed(self, headers: Headers) -> bool:
        """Whether no page of another origin has sent the request."""
        origin = headers.get("origin")
        if origin is None or origin in self._origins:
            return True
        site = headers.get("sec-fetch-site")
        if site is not None:  # browsers set it, and no page can
            return site in {"same-origin", "none"}
        return urlsplit(origin).netloc == headers.get("host")


def _prefixes(root: str) -> Iterator[str]:
    """The paths that a path begins with, the longest first."""
    parts = root.split("/")
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])


class _Body:
    """The messages of a client, of which the first ones are for the server."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_complete = anyio.Event()
        self._is_gone = anyio.Event()

    async def receive(self) -> Message:
        """The next message of the body; then the disconnect."""
        if self._is_complete.is_set():
            await self._is_gone.wait()
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._is_complete.set()
        return message

    async def wait_for_disconnect(self) -> None:
        """Wait until the client has left."""
        await self._is_complete.wait()
        if (await self._receive())["type"] != "http.disconnect":
            # Some servers repeat the empty body at once instead of waiting for the disconnect.
            await anyio.sleep_forever()
        self._is_gone.set()


CALL_KEY = "colonnade.mcp_call"
"""Key in the ASGI scope of a call in process, which no request from outside can set."""


class InProcessCall:
    """A call of a tool that does not come over HTTP, but is made like one: see ``_stdio``.

    Args:
        name: The name of the tool.
        arguments: Its arguments.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._name = name
        self._arguments = arguments
        self.answer: dict[str, Any] | None = None
        self.error: Exception | None = None

    async def run(self, toolbox: Toolbox, scope: Callable[[], Scope]) -> None:
        """Call the tool, and keep its answer."""
        try:
            self.answer = await toolbox.call(self._name, self._arguments, scope())
        except Exception as error:
            self.error = error
