"""``Health``: whether a database is currently usable."""

import asyncio
import time
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from sqlalchemy import Connection, inspect, text

from colonnade.database.connections._connect_errors import translate_connect_errors
from colonnade.database.connections._connector import connect_deadline
from colonnade.database.connections._engines import Engines
from colonnade.database.statements._statement_limit import GRACE, statement_timeout
from colonnade.errors import UnreachableError

TIMEOUT = 2.0
"""Seconds to wait for a database's answer, which an orchestrator requests regularly."""


@dataclass(frozen=True, slots=True)
class Health:
    """The result of a health check.

    Attributes:
        reached: Whether the database answered.
        reason: Why it did not answer. Contains the server's name but never a password.
        milliseconds: How long the answer took.
        revisions: The current migrations; None if the database has no migration history.
        unfinished: The migrations that were interrupted and are partly applied.

    Examples:
        ```python
        from colonnade import Database

        health = Database("sqlite:///missing/tasks.db").health(timeout=1.0)
        print(health.reached)  # False
        print(health.reason)
        # Cannot connect to sqlite:///missing/tasks.db: the directory missing does not
        # exist.
        ```
    """

    reached: bool
    reason: str = ""
    milliseconds: float = 0.0
    revisions: tuple[str, ...] | None = None
    unfinished: tuple[str, ...] = ()


MigrationState = tuple[tuple[str, ...] | None, tuple[str, ...]]
"""The current migrations, None without a migration history; and the unfinished ones."""


def _migration_state(connection: Connection) -> MigrationState:
    inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None, ()
    rows = connection.execute(text("SELECT version_num FROM alembic_version ORDER BY 1"))
    applied = tuple(row[0] for row in rows)
    if not inspector.has_table("colonnade_migration"):
        return applied, ()
    unfinished = connection.execute(text("SELECT revision FROM colonnade_migration ORDER BY 1"))
    return applied, tuple(row[0] for row in unfinished)


def check(engines: Engines, max_wait: float) -> Health:
    """Implement ``Database.health``.

    Args:
        engines: The database's engines.
        max_wait: Seconds to wait for the answer.
    """
    answers: SimpleQueue[Health] = SimpleQueue()
    context = copy_context()
    engines.sync  # noqa: B018 - raise a missing driver here, not in the thread

    def answer() -> None:
        answers.put(context.run(_check, engines, max_wait))

    # In a thread, since psycopg waits indefinitely for a server that has stalled.
    Thread(target=answer, name="colonnade-health", daemon=True).start()
    try:
        return answers.get(timeout=max_wait + GRACE)
    except Empty:
        return _timed_out(engines, max_wait)


async def check_async(engines: Engines, max_wait: float) -> Health:
    """``check`` for async code."""
    if engines.url.backend == "sqlite":
        return await engines.threads.run(partial(_check, engines, max_wait))
    started = time.perf_counter()
    try:
        with translate_connect_errors(engines.url), connect_deadline(max_wait):
            async with (
                asyncio.timeout(max_wait),
                engines.for_running_loop().engine.connect() as connection,
            ):
                migrations = await connection.run_sync(_migration_state)
    except UnreachableError as error:
        timed_out = isinstance(error.__cause__, TimeoutError)
        return _timed_out(engines, max_wait) if timed_out else Health(False, str(error))
    return _healthy(started, migrations)


def _check(engines: Engines, max_wait: float) -> Health:
    started = time.perf_counter()
    try:
        with (
            translate_connect_errors(engines.url),
            connect_deadline(max_wait),
            statement_timeout(max_wait),
            engines.sync.connect() as connection,
        ):
            migrations = _migration_state(connection)
    except UnreachableError as error:
        return Health(False, str(error))
    return _healthy(started, migrations)


def _healthy(started: float, migrations: MigrationState) -> Health:
    return Health(True, "", (time.perf_counter() - started) * 1000, *migrations)


def _timed_out(engines: Engines, max_wait: float) -> Health:
    return Health(False, f"{engines.url} did not answer within {max_wait:g} s.")
