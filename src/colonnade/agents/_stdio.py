"""The MCP server over standard input and output, for an agent that starts it as a process.

A call becomes a request to the mounted server, in process: the application's middleware and
dependencies see it like one over HTTP, with headers from the environment.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from starlette.routing import Mount
from starlette.types import Scope

from colonnade.agents._answers import ToolError
from colonnade.agents._http import CALL_KEY, HTTPServer, InProcessCall
from colonnade.agents._protocol import protocol_server
from colonnade.agents._requests import CollectedResponse
from colonnade.agents._toolbox import Toolbox

Headers = Sequence[tuple[str, str]]


async def serve_stdio(app: FastAPI, toolbox: Toolbox, headers: Headers) -> None:
    """Serve the protocol until standard input ends.

    Args:
        app: The application.
        toolbox: The tools.
        headers: The headers of each call, which say who the caller is.
    """
    path = f"/{uuid4().hex}"
    # Before the application's own routes, one of which may match every path.
    app.router.routes.insert(0, Mount(path, app=HTTPServer(app, toolbox, ())))

    state: dict[str, Any] = {}

    async def call(
        name: str, arguments: Mapping[str, Any], context: ServerRequestContext[Any]
    ) -> dict[str, Any]:
        in_process = InProcessCall(name, arguments)
        response = CollectedResponse()
        await app({**_scope(path, headers, state), CALL_KEY: in_process}, _receive, response.send)
        if in_process.error is not None:
            raise in_process.error
        if in_process.answer is None:  # a middleware has answered
            raise ToolError(**response.answer().problem())
        return in_process.answer

    server = protocol_server(toolbox, app.title, call)
    # Standard output is for the protocol only, whatever the application prints when it starts.
    async with stdio_server() as (reads, writes), app.router.lifespan_context(app) as started:
        state.update(started or {})
        await server.run(reads, writes, server.create_initialization_options())


def _scope(path: str, headers: Headers, state: Mapping[str, Any]) -> Scope:
    """The scope of an HTTP request to the mounted server."""
    if "host" not in {name.lower() for name, _ in headers}:
        headers = [("host", "localhost"), *headers]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"{path}/",
        "raw_path": f"{path}/".encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("127.0.0.1", 0),
        "server": ("localhost", 80),
        "state": dict(state),
    }


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}
