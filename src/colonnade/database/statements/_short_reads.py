"""Run SQLite's short reads in the event loop, since a hop to a thread and back takes longer.

What is short is measured and not guessed. A statement runs in a thread first. If it took little
time there, it runs in the event loop from then on, until it takes too long, takes too many steps,
or would have to wait for a lock; then it runs in a thread again.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from colonnade.database.statements._driver_execution import DirectConnection, NeedsSQLAlchemy
from colonnade.database.statements._plans import Bound, Plan

T = TypeVar("T")

MAX_STEPS = 20_000
"""Instructions of SQLite's virtual machine after which a read is given up: about 0.4 ms. SQLite
counts those of all executions of a statement, so a read ends after one to two times as many."""

MAX_BYTES = 1024 * 1024
"""The largest value, in bytes, that a short read produces."""

MAX_THREAD_TIME = 0.001
"""Processor time, in seconds, that a short read takes in a thread. A single instruction may take
long: ``count(*)`` of a table is one, and so is ``LIKE`` for a text of any length."""

MAX_LOOP_TIME = 0.005
"""Seconds that a short read takes in the event loop, with waits for the disk and the processor."""

THREAD_RUNS = 100
"""How often in succession a statement that was long must be short in a thread before it runs in
the event loop again. It may have been long for its values only, such as the limit of a page."""


class ShortReads:
    """The connections of a database on which short reads run.

    There are as many as event loops that read at once: one in most processes.
    """

    def __init__(self) -> None:
        self._idle: list[DirectConnection] = []  # append and pop are atomic
        self._is_opening = False
        self._process = os.getpid()
        self._inherited: list[DirectConnection] = []

    def run(self, work: Bound[T]) -> tuple[T] | None:
        """Run a read without waiting, and return its result; None if it has to run in a thread."""
        plan, idle = work.plan, self._of_this_process()
        if plan.thread_runs:
            return None
        try:
            connection = idle.pop()
        except IndexError:
            return None
        started = time.perf_counter()
        try:
            return (work(connection),)  # type: ignore[arg-type] # it has what work needs
        except (DBAPIError, NeedsSQLAlchemy):
            # It is long, or the database is locked. Other errors are raised again by the thread.
            plan.thread_runs = THREAD_RUNS
            return None
        finally:
            if time.perf_counter() - started > MAX_LOOP_TIME:
                plan.thread_runs = THREAD_RUNS
            idle.append(connection)
            if idle is not self._idle:  # they were closed meanwhile
                _close(idle)

    @contextmanager
    def measured(self, engine: Engine, plan: Plan) -> Iterator[None]:
        """Measure a read in a thread, to decide where it runs the next time.

        A connection for short reads is opened first, if there is none. That may wait for a lock.

        Args:
            engine: The engine whose pool says how to connect.
            plan: The statement of the read.
        """
        self._open(engine)
        started = time.thread_time()
        yield
        is_short = time.thread_time() - started <= MAX_THREAD_TIME
        plan.thread_runs = max(0, plan.thread_runs - 1) if is_short else THREAD_RUNS

    def close(self) -> None:
        """Close the connections. One that is in use is closed after its read."""
        idle, self._idle = self._of_this_process(), []
        _close(idle)

    def _open(self, engine: Engine) -> None:
        idle = self._of_this_process()
        if idle or self._is_opening:
            return
        self._is_opening = True
        try:
            with suppress(sqlite3.Error, DBAPIError):
                pooled: Any = engine.pool.recreate().connect()
                pooled.driver_connection.run_short_reads(MAX_STEPS, MAX_BYTES)
                idle.append(DirectConnection(engine, pooled))
        finally:
            self._is_opening = False

    def _of_this_process(self) -> list[DirectConnection]:
        """The idle connections, without those of the process that this one was forked from.

        SQLite allows neither to use nor to close them: https://sqlite.org/howtocorrupt.html
        """
        if self._process != os.getpid():
            self._process = os.getpid()
            self._inherited, self._idle = self._idle, []
        return self._idle


def _close(connections: list[DirectConnection]) -> None:
    while connections:
        connections.pop().close(interrupted=True)
