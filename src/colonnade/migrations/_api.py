"""Upgrade a database from a program."""

import asyncio
from pathlib import Path

from colonnade.database import Database
from colonnade.migrations._history import History
from colonnade.migrations.runner._migrate import migrate_to
from colonnade.project import Project


def upgrade(
    database: Database, directory: Path | None = None, *, allow: frozenset[str] = frozenset()
) -> list[str]:
    """Run the revisions that a database does not have, as ``colonnade upgrade`` does.

    Args:
        database: The database.
        directory: The project, or a directory in it; None: the working directory.
        allow: The findings of the guard to ignore, such as ``loses-data:task.title``.

    Returns:
        The ids of the revisions that were run.

    Raises:
        RefusedError: A step is dangerous and was not allowed; nothing was run.
        MigrationError: A revision failed or could not start.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.migrations import upgrade

        db = Database("sqlite:///tracker.db")
        print(upgrade(db))  # ['4edcb97abb17']
        print(upgrade(db))  # []
        ```
    """
    history = History(Project.find(directory or Path.cwd()))
    return migrate_to(history, database, allow=allow)


async def upgrade_async(
    database: Database, directory: Path | None = None, *, allow: frozenset[str] = frozenset()
) -> list[str]:
    """Run ``upgrade`` in a thread, for async code.

    Args:
        database: The database.
        directory: The project, or a directory in it; None: the working directory.
        allow: The findings of the guard to ignore, such as ``loses-data:task.title``.

    Returns:
        The ids of the revisions that were run.

    Raises:
        RefusedError: A step is dangerous and was not allowed; nothing was run.
        MigrationError: A revision failed or could not start.

    Examples:
        ```python
        import asyncio

        from colonnade import Database
        from colonnade.migrations import upgrade_async

        db = Database("sqlite:///tracker.db")
        print(asyncio.run(upgrade_async(db)))  # ['4edcb97abb17']
        ```
    """
    return await asyncio.to_thread(upgrade, database, directory, allow=allow)
