"""Connecting with patience: a server that sleeps, restarts or fails over is waited for.

What a connection costs at most, waiting for one of the pool and every try to open one included,
is the pool's timeout. Tries follow each other with pauses that grow, and no faster than a server
that wakes can bear; what will not pass by itself (a wrong password) is an error at once.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, Connection, Engine, Pool, QueuePool, event
from sqlalchemy.exc import DisconnectionError, InvalidRequestError, MissingGreenlet
from sqlalchemy.util import await_only

from colonnade.database.connections._connect_errors import meaning_of, unreachable
from colonnade.database.connections._liveness import is_closed_asyncpg, is_closed_psycopg
from colonnade.database.connections._poolers import Pooler
from colonnade.database.replicas._outages import Outage
from colonnade.database.statements._statement_timeout import limited
from colonnade.errors import UnreachableError

FIRST_PAUSE = 0.1
"""Seconds after the first try, at most; each further pause is up to twice as long."""

LONGEST_PAUSE = 2.0
"""Seconds between two tries, at most: as long as service may stay away once the server is back."""

SHORTEST_TRY = 0.05
"""Seconds that are left for a try, without which none is made."""

REOPENED = 5
"""How often a connection is opened once more that was closed before it could be used."""

OPENED = "colonnade_opened"
"""Where a connection's record in the pool says when it was opened, by the monotonic clock."""

_until: ContextVar[float | None] = ContextVar("colonnade_connect_until", default=None)


class Tries:
    """The tries at one connection: how long each may take, and what follows an error. No I/O.

    Args:
        outage: What is known of the server.
        patience: Seconds for all of them, where the pool has not begun to count.
    """

    def __init__(self, outage: Outage, patience: float) -> None:
        self._outage = outage
        self._end = _until.get() or time.monotonic() + patience
        self._pauses = _pauses()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(self._end - time.monotonic(), SHORTEST_TRY)

    def pause_after(self, error: Exception) -> float:
        """Seconds until the next try.

        Raises:
            UnreachableError: There is none: it does not help, or the time is over.
        """
        meaning = meaning_of(error)
        pause = next(self._pauses)
        left = self._end - time.monotonic()
        if meaning.passes:
            self._outage.failed(meaning.reason)
            if left > SHORTEST_TRY:
                return min(pause, left - SHORTEST_TRY)
        raise unreachable(error, self._outage.url) from error

    def succeeded(self) -> None:
        """There is a connection."""
        self._outage.ended()


def _pauses() -> Iterator[float]:
    """Seconds between tries, random, so that not everybody comes at once."""
    most = FIRST_PAUSE
    while True:
        yield random.uniform(most / 2, most)  # noqa: S311 - no secret
        most = min(2 * most, LONGEST_PAUSE)


@contextmanager
def counting(patience: float) -> Iterator[None]:
    """Count the time of what opens a connection from here, unless less is left already.

    Args:
        patience: Seconds.
    """
    until, outer = time.monotonic() + patience, _until.get()
    token = _until.set(until if outer is None else min(until, outer))
    try:
        yield
    finally:
        _until.reset(token)


class _Patient(Pool):
    """A pool whose timeout is for waiting and opening together."""

    _patience: float

    @property
    def _timeout(self) -> float:
        """Seconds to wait for a connection of the pool: what is left, where somebody counts."""
        until = _until.get()
        return self._patience if until is None else max(until - time.monotonic(), 0)

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        self._patience = seconds

    def connect(self) -> Any:
        """A connection of the pool.

        Raises:
            UnreachableError: Every one that was opened was closed again at once.
        """
        with counting(self._patience):
            for _ in range(REOPENED):
                try:
                    return super().connect()
                except InvalidRequestError as error:
                    # SQLAlchemy's word for a second one that is closed; MissingGreenlet is one too.
                    if type(error) is not InvalidRequestError:
                        raise
            raise UnreachableError("The database closes each connection as soon as it is opened.")


class PatientPool(_Patient, QueuePool):
    """A patient pool for sync code."""

    _sqla_logger_namespace = "sqlalchemy.pool.impl.QueuePool"


class AsyncPatientPool(_Patient, AsyncAdaptedQueuePool):
    """A patient pool for an event loop."""

    _sqla_logger_namespace = "sqlalchemy.pool.impl.AsyncAdaptedQueuePool"


@dataclass(frozen=True, slots=True)
class Connector:
    """How a server is connected to.

    Attributes:
        outage: What is known of the server.
        pooler: What is known of a pooler before it.
        patience: Seconds for all tries, where the pool has not begun to count.
        statement_timeout: Seconds that a statement may take; None: as the server has it.
    """

    outage: Outage
    pooler: Pooler
    patience: float
    statement_timeout: float | None

    def open(self, dialect: Any, cargs: list[Any], cparams: dict[str, Any], left: float) -> Any:
        """One try, of so many seconds at most."""
        end = time.monotonic() + left
        prepares = not self.pooler.found
        opened = self._opened(dialect, cargs, cparams, left)
        try:
            self.pooler.look(dialect, opened, max(end - time.monotonic(), SHORTEST_TRY))
        except BaseException:
            _drop(dialect, opened)
            raise
        if prepares and self.pooler.found:  # found by this one, or by another meanwhile
            _drop(dialect, opened)
            opened = self._opened(dialect, cargs, cparams, max(end - time.monotonic(), left / 2))
        return opened

    def _opened(self, dialect: Any, cargs: list[Any], cparams: dict[str, Any], left: float) -> Any:
        driver = dialect.driver
        connect_args = dict(self.pooler.arguments(driver))
        if self.statement_timeout is not None:
            connect_args |= limited(driver, cparams, self.statement_timeout, self.pooler)
        arguments = {**cparams, **connect_args}
        if driver == "asyncpg":
            return _opened_by_asyncpg(dialect, cargs, arguments, left)
        # libpq takes whole seconds for each host, and reads 1 as 2.
        each = max(2, round(left / (str(cparams.get("host", "")).count(",") + 1)))
        arguments["connect_timeout"] = min(cparams["connect_timeout"], each)
        return dialect.connect(*cargs, **arguments)


def _opened_by_asyncpg(
    dialect: Any, cargs: list[Any], arguments: dict[str, Any], left: float
) -> Any:
    """A connection of asyncpg's: of several hosts each has its time, or a silent one has it all."""
    hosts = arguments.get("host")
    if not isinstance(hosts, list):
        arguments["timeout"] = min(arguments["timeout"], left)
        return dialect.connect(*cargs, **arguments)
    end = time.monotonic() + left
    failed: Exception | None = None
    for index, (host, port) in enumerate(zip(hosts, arguments["port"], strict=True)):
        each = max(end - time.monotonic(), SHORTEST_TRY) / (len(hosts) - index)
        arguments |= {"host": host, "port": port, "timeout": min(arguments["timeout"], each)}
        try:
            return dialect.connect(*cargs, **arguments)
        except MissingGreenlet:
            raise
        except Exception as error:
            failed = error
    assert failed is not None
    raise failed


def _drop(dialect: Any, opened: Any) -> None:
    """Close a connection that nobody has yet, without a word to a server that may not answer."""
    if dialect.is_async:
        opened._connection.terminate()
    else:
        opened.close()


def connect_patiently(engine: Engine, approach: Connector) -> None:
    """Have an engine try again where that helps, and speak as a pooler wants it where one is.

    Args:
        engine: The engine, or the sync side of one.
        approach: How it connects.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, cargs: list[Any], cparams: dict[str, Any]) -> Any:
        tries = Tries(approach.outage, approach.patience)
        while True:
            try:
                opened = approach.open(dialect, cargs, cparams, tries.left)
            except MissingGreenlet:
                raise  # it is to be opened where one can wait
            except Exception as error:
                if approach.pooler.is_given_away(error):
                    continue
                pause = tries.pause_after(error)
            else:
                tries.succeeded()
                return opened
            if dialect.is_async:
                await_only(asyncio.sleep(pause))
            else:
                time.sleep(pause)


CLOSED: dict[str, Callable[[Any], bool]] = {
    "asyncpg": is_closed_asyncpg,
    "psycopg": is_closed_psycopg,
}
"""How each driver's connection is asked whether it was closed."""


def refuse_lost(connection: Connection) -> None:
    """Refuse to commit on a connection that has ended: what it did, the server has undone.

    Args:
        connection: On which the next statement would be COMMIT.

    Raises:
        sqlalchemy.exc.DisconnectionError: It has ended.
    """
    is_closed = CLOSED.get(connection.engine.driver)
    if is_closed is not None and is_closed(connection.connection.driver_connection):
        connection.invalidate()
        raise DisconnectionError("The server has closed this connection before COMMIT.")


def refuse_stale(engine: Engine, outage: Outage) -> None:
    """Have an engine's pool open a connection anew that its server has closed.

    It is seen without a round trip, where ``pool_pre_ping`` takes three on asyncpg.

    Args:
        engine: The engine, or the sync side of one.
        outage: What is known of the server.
    """
    is_closed = CLOSED[engine.driver]

    @event.listens_for(engine, "connect")
    def note(connection: Any, record: Any) -> None:
        record.info[OPENED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, fairy: Any) -> None:
        if record.info[OPENED] < outage.moved or is_closed(record.driver_connection):
            raise DisconnectionError("The server has closed this connection.")
