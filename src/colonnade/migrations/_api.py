"""Upgrading from a program, as the command line does it."""

import asyncio
from pathlib import Path

from colonnade.database import Database
from colonnade.migrations._history import History
from colonnade.migrations.runner._migrate import migrate_to
from colonnade.project import Project


def upgrade(
    database: Database, directory: Path | None = None, *, allow: frozenset[str] = frozenset()
) -> list[str]:
    """Run the revisions that a database does not have: ``colonnade upgrade`` for programs.

    Args:
        database: The database.
        directory: The project, or a directory in it; None: the working directory.
        allow: What the guard may let through, as it names it.

    Returns:
        The revisions that were run.

    Raises:
        RefusedError: A step is dangerous and was not allowed; nothing was run.
        MigrationError: A revision failed, or could not be begun.
    """
    history = History(Project.find(directory or Path.cwd()))
    return migrate_to(history, database, allow=allow)


async def upgrade_async(
    database: Database, directory: Path | None = None, *, allow: frozenset[str] = frozenset()
) -> list[str]:
    """``upgrade`` for async code, in a thread."""
    return await asyncio.to_thread(upgrade, database, directory, allow=allow)
