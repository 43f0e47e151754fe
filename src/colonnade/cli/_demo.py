"""``colonnade demo``: creates the example project, fills its database and serves it."""

import os
import socket
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from colonnade.cli import _console
from colonnade.cli._server import hosts_of, listen, serve, url_of
from colonnade.database import Database
from colonnade.studio import LocalAccess, LocalStudio
from colonnade.templates import lay_out


def serve_demo(directory: Path | None, host: str, port: int, database_url: str | None) -> None:
    """Serve the example API until the process is stopped.

    Args:
        directory: The directory of the project, which is kept; None for a temporary one.
        host: The address to listen on.
        port: The port to listen on; 0 for any free port.
        database_url: The database; None for an SQLite file in the directory.

    Raises:
        CommandError: The port is in use, or the directory cannot be used.
        DatabaseError: The database cannot be used.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(listen(host, port))
        if database_url is not None:
            Database(database_url).ping()
        if directory is None:
            directory = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="colonnade-", ignore_cleanup_errors=True)
                )
            )
        lay_out(directory, "tasks", example="tasks")
        os.environ["DATABASE_URL"] = database_url or f"sqlite:///{directory.absolute()}/tasks.db"
        sys.path.insert(0, str(directory.absolute()))
        with _console.out.status("Filling the database"):
            count = import_module("app.sample").fill()
        app = import_module("app.main").app
        LocalStudio(app)
        access = LocalAccess(app, hosts_of(listener), prefix="/studio")
        _introduce(listener, count, directory, access)
        serve(access, listener)


def _introduce(listener: socket.socket, count: int, directory: Path, access: LocalAccess) -> None:
    url = url_of(listener)
    database = import_module("app.database").db
    _console.panel(
        "Colonnade demo",
        [
            f"[bold]{url}/docs[/bold]",
            f"[bold]{url}/totals[/bold]",
            f"[bold]{access.url(url, '/studio/')}[/bold]",
            f"{count} tasks in {_console.escaped(str(database.url))}",
            f"The code is in {directory}",
            "",
            f"curl '{url}/tasks?status=in_progress&limit=3'",
            f'curl --json \'{{"title": "Try it"}}\' {url}/tasks',
        ],
    )
