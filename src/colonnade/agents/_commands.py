"""What ``colonnade mcp`` serves: an application over HTTP, or over standard input and output."""

import asyncio
from collections.abc import Sequence

from fastapi import FastAPI
from starlette.types import ASGIApp

from colonnade.agents._server import http_server, require_mcp
from colonnade.agents._toolbox import Toolbox


def serve_on_stdio(app: FastAPI, headers: Sequence[tuple[str, str]], *, writable: bool) -> None:
    """Serve the Resources of an application to the agent that has started this process.

    Args:
        app: The application.
        headers: The headers of each call, which say who the caller is.
        writable: Whether tools may write.

    Raises:
        ModelError: The package ``mcp`` is not installed.
    """
    require_mcp()
    from colonnade.agents._stdio import serve_stdio

    asyncio.run(serve_stdio(app, _toolbox(app, writable=writable), headers))


def local_server(app: FastAPI, *, writable: bool) -> ASGIApp:
    """The MCP server of an application, for this machine: ``explain`` shows SQL.

    Args:
        app: The application.
        writable: Whether tools may write.

    Raises:
        ModelError: The package ``mcp`` is not installed.
    """
    return http_server(app, _toolbox(app, writable=writable), ())


def _toolbox(app: FastAPI, *, writable: bool) -> Toolbox:
    return Toolbox(app, None, writable=writable, shows_sql=True)
