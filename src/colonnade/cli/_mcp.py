"""``colonnade mcp``: tools for agents over a project, a module or a database."""

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from colonnade.agents import local_server, serve_on_stdio
from colonnade.cli import _console
from colonnade.cli._serve import app_of_models, app_of_url
from colonnade.cli._server import hosts_of, listen, serve, url_of
from colonnade.cli._tables import (
    import_tables,
    project_models,
    require_tables,
    unscoped_database,
)
from colonnade.database import Database
from colonnade.errors import CommandError
from colonnade.project import Project
from colonnade.resources import Operation, Resource, included_routers

HOST = "127.0.0.1"
"""The only address: the tools of a database without an application ask nobody who they are."""

MORE: frozenset[Operation] = frozenset(("aggregate",))


def serve_mcp(
    target: str | None,
    database_url: str | None,
    *,
    writable: bool,
    schemas: Sequence[str] = (),
    port: int | None = None,
) -> None:
    """Serve tools for agents until the client leaves, or the process is stopped.

    Args:
        target: A module or a database URL; None for the application of the project.
        database_url: The database of a module or a project.
        writable: Whether rows can be written.
        schemas: The schemas of a database; by default its default schema.
        port: The port of an HTTP server; None to use standard input and output.

    Raises:
        CommandError: The module cannot be imported, there are no tables, or the headers are wrong.
        DatabaseError: The database cannot be used.
        ModelError: The package ``mcp`` is not installed.
    """
    with ExitStack() as stack:
        with redirect_stdout(sys.stderr):  # standard output is for the protocol
            app = _app(target, database_url, schemas, writable=writable)
            if not writable:
                for database in _all_databases(app):
                    stack.enter_context(database.using(database.url.read_only))
        if port is None:
            serve_on_stdio(
                app, list(_headers(os.environ.get("COLONNADE_MCP_HEADERS", ""))), writable=writable
            )
        else:
            _serve_http(app, port, writable=writable)


def _serve_http(app: FastAPI, port: int, *, writable: bool) -> None:
    """Serve over HTTP, at a path that only who reads the command's output knows."""
    path = f"/{secrets.token_urlsafe(24)}"
    # Before the application's own routes, one of which may match every path.
    app.router.routes.insert(0, Mount(path, app=local_server(app, writable=writable)))
    with listen(HOST, port) as listener:
        _console.panel(
            f"MCP: {_console.escaped(app.title)}",
            [
                f"[bold]{url_of(listener)}{path}/[/bold]",
                "writable" if writable else "read-only (--writable allows writes)",
            ],
        )
        serve(_OnlyBelow(app, path, hosts_of(listener)), listener)


class _OnlyBelow:
    """An ASGI middleware that hides everything but a path, also from pages of other names.

    Args:
        app: The application.
        path: The path.
        hosts: The values of ``Host`` that the server answers: a web page can make its own name
            resolve to 127.0.0.1 (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, path: str, hosts: Sequence[str]) -> None:
        self._app = app
        self._path = path
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request that may pass, and refuse others."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if host not in self._hosts:
                refusal = f"This server does not answer requests for the host {host[:100]!r}."
                await PlainTextResponse(refusal, 421)(scope, receive, send)
                return
            if not scope["path"].startswith(f"{self._path}/") and scope["path"] != self._path:
                refusal = "Use the URL that the command printed. It changes with each start."
                await PlainTextResponse(refusal, 404)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _app(
    target: str | None, database_url: str | None, schemas: Sequence[str], *, writable: bool
) -> FastAPI:
    if target is not None and "://" in target:
        return app_of_url(target, schemas, writable=writable, more=MORE)
    if target is not None:
        module, models = import_tables(target)
        declared = [value for value in vars(module).values() if isinstance(value, Database)]
        db = unscoped_database(declared[0] if declared else None, database_url)
        require_tables(db, models, creates=False)
        return app_of_models(target, db, models, writable=writable, more=MORE)
    project = Project.find(Path.cwd())
    if project.app is None:
        models = project_models(project)
        db = unscoped_database(project.choose_database(), database_url)
        require_tables(db, models, creates=False)
        return app_of_models(project.root.name, db, models, writable=writable, more=MORE)
    if database_url is not None:
        os.environ["DATABASE_URL"] = database_url
    app: FastAPI = project.load_app()
    if not _databases(app):
        raise CommandError(
            f"The app {project.app} includes no Resources. Name a module with tables, such as "
            "app.models, or a database URL."
        )
    return app


def _databases(app: FastAPI) -> list[Database]:
    resources = [each for each in included_routers(app) if isinstance(each, Resource)]
    return list(dict.fromkeys(resource.db for resource in resources))


def _all_databases(app: FastAPI) -> list[Database]:
    """The Databases of the Resources, and all others of the project's modules."""
    return list(dict.fromkeys([*_databases(app), *Project.find(Path.cwd()).databases()]))


def _headers(text: str) -> Iterator[tuple[str, str]]:
    """The headers in a text: a line each, as in HTTP.

    Raises:
        CommandError: A line is not a header. The message does not repeat it: it may be a secret.
    """
    for number, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if not line.strip():
            continue
        is_name = name.strip().isascii() and " " not in name.strip()
        if not colon or not name.strip() or not is_name or not _fits_header(value):
            raise CommandError(
                f"Line {number} of COLONNADE_MCP_HEADERS is not a header. Write one header per "
                "line, such as Authorization: Bearer TOKEN."
            )
        yield name.strip(), value.strip()


def _fits_header(value: str) -> bool:
    """Whether a text has only the characters of a header, which are those of Latin-1."""
    return all(ord(character) < 256 for character in value)
