"""``checked_lifespan``: an app that starts only when its tables are those of its migrations."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect

from colonnade.database import Database, Health, metadatas
from colonnade.errors import ColonnadeError, MigrationError
from colonnade.migrations._history import History
from colonnade.project import Project

_log = logging.getLogger("colonnade.migrations")


def checked_lifespan(
    database: Database, directory: Path | None = None
) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """Create a lifespan for an app whose tables come from migrations.

    It connects and closes like ``db.lifespan``, and stops the start of the app if tables are
    missing or revisions have not been applied.

    A database with revisions that the history does not have is accepted with a warning: during a
    deployment the previous version of an app may start after the next one has migrated. In tests,
    where ``db.using`` provides a database with the tables of the models, nothing is checked.

    Args:
        database: The database.
        directory: The project, or a directory in it; by default the working directory.

    Returns:
        The lifespan. It raises ``MigrationError`` when the app starts, with the command to run, and
        ``UnreachableError`` if the database cannot be connected to.

    Examples:
        ```python
        from app.models import Task
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from colonnade import Database, Resource
        from colonnade.errors import MigrationError
        from colonnade.migrations import checked_lifespan, upgrade

        db = Database("sqlite:///tracker.db")
        app = FastAPI(lifespan=checked_lifespan(db))
        app.include_router(Resource(Task, db))
        try:
            with TestClient(app):
                pass
        except MigrationError:
            print(upgrade(db))  # ['4edcb97abb17']
        with TestClient(app) as client:
            print(client.get("/tasks").json())  # []
        ```
    """

    @asynccontextmanager
    async def lifespan(app: object = None) -> AsyncIterator[None]:
        if not database.is_overridden:
            try:
                await _check(database, directory)
            except ColonnadeError as error:
                await database.dispose_async()
                _hide_next_traceback()
                raise error from None
        async with database.lifespan(app):
            yield

    return lifespan


async def _check(database: Database, directory: Path | None) -> None:
    await database.ping_async()
    problem = await _find_problem(database, directory)
    if problem is not None:
        raise MigrationError(problem)


async def _find_problem(database: Database, directory: Path | None) -> str | None:
    """The reason why the app cannot work with the database; None if it can."""
    history = History(Project.find(directory or Path.cwd()))
    health = await database.health_async()
    if health.unfinished:
        return (
            f"{database.url}: migration {', '.join(health.unfinished)} was interrupted. "
            "Finish it: colonnade upgrade"
        )
    if health.revisions is not None and not history.is_empty:
        return _compare_revisions(database, history, health)
    async with database.session() as session:
        missing = await (await session.connection()).run_sync(_missing_tables)
    if not missing:
        return None
    tables = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
    command = "colonnade migrate && colonnade upgrade" if history.is_empty else "colonnade upgrade"
    return f"{database.url} lacks tables of the models: {tables}. Create them: {command}"


def _compare_revisions(database: Database, history: History, health: Health) -> str | None:
    applied = health.revisions or ()
    unknown = [revision for revision in applied if not history.has(revision)]
    if unknown:
        _log.warning(
            "%s has migration %s, which this version of the app does not have.",
            database.url,
            ", ".join(unknown),
        )
        return None
    reached = {script.revision for script in history.script.iterate_revisions(applied, "base")}
    behind = sum(script.revision not in reached for script in history.revisions)
    if not behind:
        return None
    revisions = "1 migration" if behind == 1 else f"{behind} migrations"
    return f"{database.url} is {revisions} behind the app. Apply them: colonnade upgrade"


def _missing_tables(connection: Connection) -> list[str]:
    inspector = inspect(connection)
    tables = [table for metadata in metadatas() for table in metadata.sorted_tables]
    return [
        table.fullname
        for table in tables
        if not inspector.has_table(table.name, schema=table.schema)
    ]


def _hide_next_traceback() -> None:
    """Let the server log the message alone.

    Starlette formats the exception of a lifespan with its traceback, for the server to log. It is
    a stack of other libraries' frames above the sentence that the user needs. Starlette formats it
    before the event loop runs anything else.
    """
    limit = getattr(sys, "tracebacklimit", 1000)
    sys.tracebacklimit = 0
    asyncio.get_running_loop().call_soon(setattr, sys, "tracebacklimit", limit)
