"""``colonnade test-db``: a temporary PostgreSQL server."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from colonnade.cli import _console
from colonnade.database import Database, with_database
from colonnade.errors import CommandError, FixtureError, ProjectError
from colonnade.testing import Project, environment, make_schema, postgresql_server


def run_test_db(command: Sequence[str], *, empty: bool) -> int:
    """Start a server, and stop it when the command ends or on Ctrl-C.

    Args:
        command: A command to run with ``DATABASE_URL`` set; if empty, wait for Ctrl-C.
        empty: Whether to skip creating the project's tables.

    Returns:
        The exit code of the command.

    Raises:
        CommandError: The server does not start, the tables cannot be created, or the command does
            not exist.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with ExitStack() as stack:
            with _console.err.status("Starting PostgreSQL"):
                url = _create_database(stack.enter_context(postgresql_server()))
                project = Project.read(Path.cwd())
                if not empty and project.packages:
                    project.load()
                    make_schema(project, url)
            return _run(command, url) if command else _wait(url)
    except (FixtureError, ProjectError) as error:
        raise CommandError(str(error)) from error


def _create_database(server: str) -> str:
    options = {"isolation_level": "AUTOCOMMIT"}
    with Database(server).engine.connect().execution_options(**options) as connection:
        connection.exec_driver_sql("CREATE DATABASE test")
    return with_database(server, "test")


def _run(command: Sequence[str], url: str) -> int:
    with environment(url):
        try:
            return subprocess.run(command, check=False).returncode  # noqa: S603 - the user's command
        except FileNotFoundError:
            raise CommandError(f"Command not found: {command[0]}.") from None


def _wait(url: str) -> int:
    print(url, flush=True)  # noqa: T201 - the only line on standard output, for scripts
    _console.err.print("Press Ctrl-C to stop it and delete its data.")
    with suppress(KeyboardInterrupt):
        signal.pause()
    return 0
