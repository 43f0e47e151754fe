"""``Health``: whether a database can be worked with, now."""

import asyncio
import time
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread

from sqlalchemy import Connection, inspect, text

from colonnade.database.connections._connect_errors import as_unreachable
from colonnade.database.connections._connector import counting
from colonnade.database.connections._engines import Engines
from colonnade.database.statements._statement_limit import GRACE, narrowed
from colonnade.errors import UnreachableError

PATIENCE = 2.0
"""Seconds in which a database has to answer: an orchestrator asks again before long."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a database said when it was asked.

    Attributes:
        reached: Whether it answered.
        reason: Why not, if it did not; names the server, and no password.
        milliseconds: How long the answer took.
        revisions: The migrations it is at; None where it has none.
        unfinished: The migrations of which it has a part, after an interruption.
    """

    reached: bool
    reason: str = ""
    milliseconds: float = 0.0
    revisions: tuple[str, ...] | None = None
    unfinished: tuple[str, ...] = ()


Migrations = tuple[tuple[str, ...] | None, tuple[str, ...]]
"""The migrations that a database is at, None where it has none; and those that are unfinished."""


def _revisions(connection: Connection) -> Migrations:
    inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None, ()
    rows = connection.execute(text("SELECT version_num FROM alembic_version ORDER BY 1"))
    at = tuple(row[0] for row in rows)
    if not inspector.has_table("colonnade_migration"):
        return at, ()
    halves = connection.execute(text("SELECT revision FROM colonnade_migration ORDER BY 1"))
    return at, tuple(row[0] for row in halves)


def ask(engines: Engines, patience: float) -> Health:
    """``Database.health``.

    Args:
        engines: What the database is reached by.
        patience: Seconds in which it has to answer.
    """
    answers: SimpleQueue[Health] = SimpleQueue()
    context = copy_context()
    engines.sync  # noqa: B018 - a driver that is missing is the caller's error, not the thread's

    def answer() -> None:
        answers.put(context.run(_ask, engines, patience))

    # In a thread, since psycopg waits for a server that has stalled as long as that takes.
    Thread(target=answer, name="colonnade-health", daemon=True).start()
    try:
        return answers.get(timeout=patience + GRACE)
    except Empty:
        return _silent(engines, patience)


async def ask_async(engines: Engines, patience: float) -> Health:
    """``ask`` for async code."""
    if engines.url.backend == "sqlite":
        return await engines.threads.run(partial(_ask, engines, patience))
    started = time.perf_counter()
    try:
        with as_unreachable(engines.url), counting(patience):
            async with asyncio.timeout(patience), engines.of_loop().engine.connect() as connection:
                migrations = await connection.run_sync(_revisions)
    except UnreachableError as error:
        is_silent = isinstance(error.__cause__, TimeoutError)
        return _silent(engines, patience) if is_silent else Health(False, str(error))
    return _reached(started, migrations)


def _ask(engines: Engines, patience: float) -> Health:
    started = time.perf_counter()
    try:
        with (
            as_unreachable(engines.url),
            counting(patience),
            narrowed(patience),
            engines.sync.connect() as connection,
        ):
            migrations = _revisions(connection)
    except UnreachableError as error:
        return Health(False, str(error))
    return _reached(started, migrations)


def _reached(started: float, migrations: Migrations) -> Health:
    return Health(True, "", (time.perf_counter() - started) * 1000, *migrations)


def _silent(engines: Engines, patience: float) -> Health:
    return Health(False, f"{engines.url} did not answer in {patience:g} s.")
