"""``mcp_server``: the tools as an MCP server, to mount in the application."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.types import ASGIApp

from colonnade.errors import ModelError
from colonnade.resources import Resource

if TYPE_CHECKING:
    from colonnade.agents._toolbox import Toolbox

INSTALL = (
    "The MCP server needs the package mcp, version 2. Install it with: pip install 'colonnade[mcp]'"
)


def mcp_server(
    app: FastAPI,
    resources: Sequence[Resource] | None = None,
    *,
    writable: bool = False,
    origins: Sequence[str] = (),
) -> ASGIApp:
    """Make an MCP server of an application's Resources, to mount in it.

    It has at most six tools, however many tables there are: ``describe``, ``find``, ``read``,
    ``aggregate``, ``explain``, and ``write`` if it is writable. They call the Resources in process
    with the headers of the caller: schemas, scopes, dependencies, limits and errors of the API
    apply. Middleware that protects paths sees that of the server: protect Resources with
    dependencies. It speaks streamable HTTP, without sessions.

    Args:
        app: The application.
        resources: The Resources; by default all that the application includes, except those whose
            path has parameters.
        writable: Whether there is a tool that writes. Otherwise, what the tools ask the database
            runs in read-only transactions.
        origins: Further origins whose pages may call it, such as ``https://chat.example.com``. A
            browser may always call it from its own origin.

    Returns:
        An ASGI application.

    Raises:
        ModelError: The package ``mcp`` is not installed, or the path of a Resource has a parameter.

    Examples:
        ```python
        from fastapi import FastAPI

        from colonnade import Database, Field, Resource, SQLModel, mcp_server


        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str


        db = Database("sqlite://")
        app = FastAPI(lifespan=db.lifespan)
        app.include_router(Resource(Note, db))
        app.mount("/mcp", mcp_server(app))
        ```
    """
    from colonnade.agents._toolbox import Toolbox

    toolbox = Toolbox(app, resources, writable=writable, shows_sql=False)
    return http_server(app, toolbox, origins)


def http_server(app: FastAPI, toolbox: "Toolbox", origins: Sequence[str]) -> ASGIApp:
    """Make an MCP server of tools.

    Args:
        app: The application.
        toolbox: The tools.
        origins: Further origins whose pages may call it.

    Raises:
        ModelError: The package ``mcp`` is not installed.
    """
    require_mcp()
    from colonnade.agents._http import HTTPServer

    return HTTPServer(app, toolbox, origins)


def require_mcp() -> None:
    """Check that the SDK of the protocol is installed.

    Raises:
        ModelError: The package ``mcp`` is missing, or is older than 2.0.
    """
    try:
        from mcp.server.context import ServerRequestContext  # noqa: F401 - which 1.x has not
    except ImportError:
        raise ModelError(INSTALL) from None
