"""Run SQLite for async code: each unit of work takes one hop to a thread and back, or none."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from colonnade.database.connections._engines import Engines
from colonnade.database.statements import _sqlite
from colonnade.database.statements._driver_execution import (
    NeedsSQLAlchemy,
    has_observers,
    run_direct,
    share_transaction,
)
from colonnade.database.statements._plans import Bound, PlannedWork

T = TypeVar("T")


async def run_sqlite(
    engines: Engines, work: Callable[[Connection], T], *, begin: bool, read_only: bool
) -> T:
    """Run Core statements in a thread; interrupt them if the caller is cancelled.

    A short read runs at once, in the event loop.

    Args:
        engines: The database's engines.
        work: Called with a connection.
        begin: Whether to run it in one transaction that locks out other writers from the start.
        read_only: Whether it only reads. Work that may write runs in a single thread.
    """
    engine = engines.sync
    is_observed = has_observers(engine, _sqlite.LISTENERS)
    measured = None
    if read_only and not is_observed and isinstance(work, Bound):
        result: tuple[T] | None = engines.short_reads.run(work)
        if result is not None:
            return result[0]
        measured = engines.short_reads.measured(engine, work.plan)
    threads = engines.threads if read_only else engines.writer
    interruptible = Interruptible(work.plan.max_bytes if isinstance(work, Bound) else None)
    run = partial(_run, engine, work, begin, is_observed, interruptible, measured)
    try:
        return await threads.run(run, max_wait=engines.pool_timeout)
    except asyncio.CancelledError:
        interruptible.interrupt()
        raise


def _run(
    engine: Engine,
    work: Callable[[Connection], T],
    begin: bool,
    is_observed: bool,
    interruptible: "Interruptible",
    measured: AbstractContextManager[None] | None,
) -> T:
    if not is_observed and (not begin or isinstance(work, PlannedWork)):
        with suppress(NeedsSQLAlchemy), measured or nullcontext():
            return run_direct(engine, work, interruptible.attach, begin=begin)
    level = "SERIALIZABLE" if begin else "AUTOCOMMIT"
    with (
        engine.execution_options(isolation_level=level).connect() as connection,
        interruptible.attach(connection.connection.driver_connection),
        connection.begin() if begin else nullcontext(),
    ):
        if begin and not is_observed:
            share_transaction(connection)
        return work(connection)


class Interruptible:
    """Lets the event loop interrupt the statement that runs in a thread.

    Args:
        max_bytes: The largest value that the statement may produce, in bytes; None for SQLite's
            own limit.
    """

    def __init__(self, max_bytes: int | None) -> None:
        self._max_bytes = max_bytes
        self._lock = Lock()
        self._connection: Any = None
        self._is_interrupted = False

    @contextmanager
    def attach(self, connection: Any) -> Iterator[None]:
        """Make a connection interruptible for the duration of the block.

        Raises:
            sqlite3.OperationalError: The work was interrupted before it started.
        """
        with self._lock:
            if self._is_interrupted:
                raise sqlite3.OperationalError("interrupted")
            self._connection = connection
        previous_limit = None
        if self._max_bytes is not None:
            previous_limit = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._max_bytes)
        try:
            yield
        finally:
            if previous_limit is not None:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, previous_limit)
            with self._lock:
                self._connection = None

    def interrupt(self) -> None:
        """Interrupt the running statement, or prevent a queued one from starting."""
        with self._lock:
            self._is_interrupted = True
            if self._connection is not None:
                self._connection.interrupt()
