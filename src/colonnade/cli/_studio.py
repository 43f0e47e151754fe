"""``colonnade studio``: the pages of Studio for a project, a module or a database."""

import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI

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
from colonnade.project import Project
from colonnade.studio import LocalAccess, LocalStudio

HOST = "127.0.0.1"
"""The only address: whoever reaches the port can see every row, with the token."""


def serve_studio(
    target: str | None,
    port: int,
    database_url: str | None,
    *,
    writable: bool,
    schemas: Sequence[str] = (),
    shows_sql: bool = False,
    opens_browser: bool = True,
) -> None:
    """Serve Studio until the process is stopped.

    Args:
        target: A module or a database URL; None for the models of the project.
        port: The port to listen on; 0 for any free port.
        database_url: The database of a module or a project.
        writable: Whether rows can be written.
        schemas: The schemas of a database; by default its default schema.
        shows_sql: Whether to show the SQL and the plan of what a page shows.
        opens_browser: Whether to open the page in the browser.

    Raises:
        CommandError: The module cannot be imported, or there are no tables.
        DatabaseError: The database cannot be used.
    """
    with listen(HOST, port) as listener:
        app = _app(target, database_url, schemas, writable=writable)
        LocalStudio(app, title=app.state.name, shows_sql=shows_sql, left_out=app.state.skipped)
        access = LocalAccess(app, hosts_of(listener))
        url = access.url(url_of(listener), "/studio/")
        _console.panel(
            f"Studio: {_console.escaped(app.title)}",
            [
                f"[bold]{url}[/bold]",
                *(f"left out: {_console.escaped(reason)}" for reason in app.state.skipped),
                "writable" if writable else "read-only (--writable allows writes)",
            ],
        )
        if opens_browser:
            webbrowser.open(url)
        serve(access, listener)


def _app(
    target: str | None, database_url: str | None, schemas: Sequence[str], *, writable: bool
) -> FastAPI:
    if target is None:
        project = Project.find(Path.cwd())
        models = project_models(project)
        db = unscoped_database(project.choose_database(), database_url)
        _prepare(db, models, writable=writable)
        return app_of_models(project.root.name, db, models, writable=writable)
    if "://" in target:
        return app_of_url(target, schemas, writable=writable)
    module, models = import_tables(target)
    declared = [value for value in vars(module).values() if isinstance(value, Database)]
    db = unscoped_database(declared[0] if declared else None, database_url)
    _prepare(db, models, writable=writable)
    return app_of_models(target, db, models, writable=writable)


def _prepare(db: Database, models: Sequence[type[Any]], *, writable: bool) -> None:
    """Create the missing tables, or refuse a database that lacks some."""
    if writable:
        db.create_all(models[0].metadata)
    else:
        require_tables(db, models)
