"""``colonnade test-db``: a PostgreSQL server for as long as one needs it."""

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
    """Start a server; stop it when the command has ended, or when it is interrupted.

    Args:
        command: What to run with ``DATABASE_URL``; nothing: wait.
        empty: Whether to leave the project's tables out.

    Returns:
        The exit code: the command's.

    Raises:
        CommandError: The server does not start, the tables cannot be made, or there is no such
            command.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with ExitStack() as stack:
            with _console.err.status("Starting PostgreSQL"):
                text = _database_on(stack.enter_context(postgresql_server()))
                project = Project.read(Path.cwd())
                if not empty and project.packages:
                    project.load()
                    make_schema(project, text)
            return _run(command, text) if command else _wait(text)
    except (FixtureError, ProjectError) as error:
        raise CommandError(str(error)) from error


def _database_on(server: str) -> str:
    options = {"isolation_level": "AUTOCOMMIT"}
    with Database(server).engine.connect().execution_options(**options) as connection:
        connection.exec_driver_sql("CREATE DATABASE test")
    return with_database(server, "test")


def _run(command: Sequence[str], text: str) -> int:
    with environment(text):
        try:
            return subprocess.run(command, check=False).returncode  # noqa: S603 - as was asked
        except FileNotFoundError:
            raise CommandError(f"Command not found: {command[0]}.") from None


def _wait(text: str) -> int:
    print(text, flush=True)  # noqa: T201 - the one line of output, for scripts
    _console.err.print("Press Ctrl-C to stop it and delete its data.")
    with suppress(KeyboardInterrupt):
        signal.pause()
    return 0
