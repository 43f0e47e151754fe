"""Run SQLite's short reads in the event loop, since a hop to a thread and back takes longer.

What is short is measured and not guessed. A read that takes too many steps, or that would have to
wait for a lock, is given up, and runs in a thread.
"""

import sqlite3
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from colonnade.database.statements._driver_execution import DirectConnection, NeedsSQLAlchemy
from colonnade.database.statements._plans import Bound

T = TypeVar("T")

MAX_STEPS = 20_000
"""Instructions of SQLite's virtual machine after which a read is long: about 0.4 ms. SQLite counts
those of all executions of a statement, so a read ends after one to two times as many."""

MAX_BYTES = 1024 * 1024
"""The largest value, in bytes, that a short read produces."""

THREAD_RUNS = 100
"""How often a statement runs in a thread after it was long, before it is tried again. It may have
been long for its values only, such as the limit of a page."""


class ShortReads:
    """The connections of a database on which short reads run.

    There are as many as event loops that read at once: one in most processes.
    """

    def __init__(self) -> None:
        self._idle: list[DirectConnection] = []  # append and pop are atomic
        self._is_opening = False

    def run(self, work: Bound[T]) -> tuple[T] | None:
        """Run a read without waiting, and return its result; None if it has to run in a thread."""
        plan = work.plan
        if plan.thread_runs:
            plan.thread_runs -= 1
            return None
        try:
            connection = self._idle.pop()
        except IndexError:
            return None
        try:
            return (work(connection),)  # type: ignore[arg-type] # it has what work needs
        except (DBAPIError, NeedsSQLAlchemy):
            # It is long, or the database is locked. Other errors are raised again by the thread.
            plan.thread_runs = THREAD_RUNS
            return None
        finally:
            self._idle.append(connection)

    def open(self, engine: Engine) -> None:
        """Open a connection if none is there. Called in a thread, since this may wait for a lock.

        Args:
            engine: The engine whose pool says how to connect.
        """
        if self._idle or self._is_opening:
            return
        self._is_opening = True
        try:
            with suppress(sqlite3.Error, DBAPIError):
                pooled: Any = engine.pool.recreate().connect()
                pooled.driver_connection.run_short_reads(MAX_STEPS, MAX_BYTES)
                self._idle.append(DirectConnection(engine, pooled))
        finally:
            self._is_opening = False

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close(interrupted=True)
