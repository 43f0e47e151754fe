"""SQLite for async code: a unit of work is one hop to a thread and back."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from colonnade.database.connections._engines import Engines
from colonnade.database.statements import _sqlite
from colonnade.database.statements._driver_execution import NotDirect, is_watched, run_direct
from colonnade.database.statements._plans import Bound, StatementBatch

T = TypeVar("T")


async def run_in_thread(
    engines: Engines, work: Callable[[Connection], T], *, begin: bool, read_only: bool
) -> T:
    """Run Core statements in a thread; who gives up waiting has them interrupted.

    Args:
        engines: What the database is reached by.
        work: Called with a connection.
        begin: Whether it is one transaction, that locks out other writers from the start.
        read_only: Whether it only reads; what may write waits for its turn, in one thread.
    """
    threads = engines.threads if read_only else engines.writer
    running = Running(work.plan.longest if isinstance(work, Bound) else None)
    try:
        return await threads.run(
            partial(_run, engines.sync, work, begin, running), patience=engines.patience
        )
    except asyncio.CancelledError:
        running.interrupt()
        raise


def _run(engine: Engine, work: Callable[[Connection], T], begin: bool, running: "Running") -> T:
    if (not begin or isinstance(work, StatementBatch)) and not is_watched(
        engine, _sqlite.LISTENERS
    ):
        with suppress(NotDirect):
            return run_direct(engine, work, running.on, begin=begin)
    level = "SERIALIZABLE" if begin else "AUTOCOMMIT"
    with (
        engine.execution_options(isolation_level=level).connect() as connection,
        running.on(connection.connection.driver_connection),
        connection.begin() if begin else nullcontext(),
    ):
        return work(connection)


class Running:
    """What runs in a thread, for whoever waits for it and may give up.

    Args:
        longest: Bytes of a text that it may make; None: what SQLite itself bears.
    """

    def __init__(self, longest: int | None) -> None:
        self._longest = longest
        self._lock = Lock()
        self._connection: Any = None
        self._is_over = False

    @contextmanager
    def on(self, connection: Any) -> Iterator[None]:
        """It runs on this connection.

        Raises:
            sqlite3.OperationalError: Nobody waits for it any more.
        """
        with self._lock:
            if self._is_over:
                raise sqlite3.OperationalError("interrupted")
            self._connection = connection
        before = None
        if self._longest is not None:
            before = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._longest)
        try:
            yield
        finally:
            if before is not None:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)
            with self._lock:
                self._connection = None

    def interrupt(self) -> None:
        """Have the statement that runs, or is to run, end in an error."""
        with self._lock:
            self._is_over = True
            if self._connection is not None:
                self._connection.interrupt()
