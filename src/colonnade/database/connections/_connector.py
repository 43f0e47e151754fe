"""Connect with retries, so that a server may sleep, restart or fail over.

The pool's timeout covers everything: the wait for a free connection and every attempt to open a new
one. The pauses between attempts grow, so that a server that is starting up is not overloaded. An
error that a retry cannot fix, such as a wrong password, is raised at once.
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

from colonnade.database.connections._connect_errors import connect_failure_of, unreachable_error
from colonnade.database.connections._liveness import is_closed_asyncpg, is_closed_psycopg
from colonnade.database.connections._poolers import Pooler
from colonnade.database.replicas._outages import Outage
from colonnade.database.statements._statement_timeout import timeout_arguments
from colonnade.errors import UnreachableError

FIRST_PAUSE = 0.1
"""Maximum pause after the first attempt, in seconds. It doubles after each further attempt."""

LONGEST_PAUSE = 2.0
"""Maximum pause between attempts, in seconds: how late a recovered server may be noticed."""

SHORTEST_ATTEMPT = 0.05
"""Minimum time for an attempt, in seconds. With less time left, no attempt is made."""

MAX_REOPENS = 5
"""How often the pool opens a connection when the server closes each one at once."""

OPENED_AT = "colonnade_opened"
"""The key in a pool record's ``info`` for when its connection was opened (monotonic clock)."""

_deadline: ContextVar[float | None] = ContextVar("colonnade_connect_until", default=None)


class ConnectAttempts:
    """The attempts to open one connection: how long each may take, and whether to retry. No I/O.

    Args:
        outage: Tracks whether the server can be reached.
        timeout: Seconds for all attempts, unless ``connect_deadline`` has set a deadline.
    """

    def __init__(self, outage: Outage, timeout: float) -> None:
        self._outage = outage
        self._deadline = _deadline.get() or time.monotonic() + timeout
        self._pauses = _pauses()

    @property
    def left(self) -> float:
        """Remaining seconds."""
        return max(self._deadline - time.monotonic(), SHORTEST_ATTEMPT)

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait before the next attempt.

        Raises:
            UnreachableError: A retry cannot help, or the time is up.
        """
        failure = connect_failure_of(error)
        pause = next(self._pauses)
        left = self._deadline - time.monotonic()
        if failure.is_transient:
            self._outage.note_failure(failure.reason)
            if left > SHORTEST_ATTEMPT:
                return min(pause, left - SHORTEST_ATTEMPT)
        raise unreachable_error(error, self._outage.url) from error

    def succeeded(self) -> None:
        """Note that the connection was opened."""
        self._outage.note_success()


def _pauses() -> Iterator[float]:
    """Yield the pauses between attempts, random so that clients do not retry in step."""
    longest = FIRST_PAUSE
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 - no secret
        longest = min(2 * longest, LONGEST_PAUSE)


@contextmanager
def connect_deadline(timeout: float) -> Iterator[None]:
    """Set a deadline for opening connections in this block, unless an earlier one applies.

    Args:
        timeout: Seconds from now.
    """
    deadline, outer = time.monotonic() + timeout, _deadline.get()
    token = _deadline.set(deadline if outer is None else min(deadline, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


class _DeadlineMixin(Pool):
    """Makes a pool's timeout cover the wait for a connection and opening it together."""

    _total_timeout: float

    @property
    def _timeout(self) -> float:
        """Seconds to wait for a free connection: until the deadline, if there is one."""
        deadline = _deadline.get()
        return self._total_timeout if deadline is None else max(deadline - time.monotonic(), 0)

    @_timeout.setter
    def _timeout(self, seconds: float) -> None:
        self._total_timeout = seconds

    def connect(self) -> Any:
        """Check a connection out of the pool.

        Raises:
            UnreachableError: The server closed every new connection at once.
        """
        with connect_deadline(self._total_timeout):
            for _ in range(MAX_REOPENS):
                try:
                    return super().connect()
                except InvalidRequestError as error:
                    # SQLAlchemy raises exactly this class when a reopened connection is closed
                    # too; MissingGreenlet is a subclass.
                    if type(error) is not InvalidRequestError:
                        raise
            raise UnreachableError(
                "The database closes every connection as soon as it is opened. Check its log."
            )


class DeadlinePool(_DeadlineMixin, QueuePool):
    """The pool for sync code."""

    _sqla_logger_namespace = "sqlalchemy.pool.impl.QueuePool"


class AsyncDeadlinePool(_DeadlineMixin, AsyncAdaptedQueuePool):
    """The pool for an event loop."""

    _sqla_logger_namespace = "sqlalchemy.pool.impl.AsyncAdaptedQueuePool"


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections to a server.

    Attributes:
        outage: Tracks whether the server can be reached.
        pooler: Tracks whether a connection pooler sits in front of the server.
        timeout: Seconds for all attempts, unless ``connect_deadline`` has set a deadline.
        statement_timeout: Statement timeout in seconds; None for the server's default.
    """

    outage: Outage
    pooler: Pooler
    timeout: float
    statement_timeout: float | None

    def open(self, dialect: Any, cargs: list[Any], cparams: dict[str, Any], left: float) -> Any:
        """Make one attempt to connect, within ``left`` seconds."""
        deadline = time.monotonic() + left
        prepares = not self.pooler.is_detected
        opened = self._connect(dialect, cargs, cparams, left)
        try:
            self.pooler.detect(dialect, opened, max(deadline - time.monotonic(), SHORTEST_ATTEMPT))
        except BaseException:
            _terminate(dialect, opened)
            raise
        if prepares and self.pooler.is_detected:  # by this attempt, or by a concurrent one
            _terminate(dialect, opened)
            opened = self._connect(
                dialect, cargs, cparams, max(deadline - time.monotonic(), left / 2)
            )
        return opened

    def _connect(self, dialect: Any, cargs: list[Any], cparams: dict[str, Any], left: float) -> Any:
        driver = dialect.driver
        overrides = self.pooler.arguments(driver)
        if self.statement_timeout is not None:
            overrides = overrides | timeout_arguments(
                driver, cparams, self.statement_timeout, self.pooler
            )
        arguments = {**cparams, **overrides}
        if driver == "asyncpg":
            return _connect_asyncpg(dialect, cargs, arguments, left)
        # libpq takes whole seconds per host, and treats 1 as 2.
        per_host = max(2, round(left / (str(cparams.get("host", "")).count(",") + 1)))
        arguments["connect_timeout"] = min(cparams["connect_timeout"], per_host)
        return dialect.connect(*cargs, **arguments)


def _connect_asyncpg(dialect: Any, cargs: list[Any], arguments: dict[str, Any], left: float) -> Any:
    """Connect with asyncpg. The hosts share the time, so that a silent one cannot use it up."""
    hosts = arguments.get("host")
    if not isinstance(hosts, list):
        arguments["timeout"] = min(arguments["timeout"], left)
        return dialect.connect(*cargs, **arguments)
    deadline = time.monotonic() + left
    last_error: Exception | None = None
    for index, (host, port) in enumerate(zip(hosts, arguments["port"], strict=True)):
        per_host = max(deadline - time.monotonic(), SHORTEST_ATTEMPT) / (len(hosts) - index)
        arguments |= {"host": host, "port": port, "timeout": min(arguments["timeout"], per_host)}
        try:
            return dialect.connect(*cargs, **arguments)
        except MissingGreenlet:
            raise
        except Exception as error:
            last_error = error
    assert last_error is not None
    raise last_error


def _terminate(dialect: Any, opened: Any) -> None:
    """Close an unused connection without waiting for a server that may not answer."""
    if dialect.is_async:
        opened._connection.terminate()
    else:
        opened.close()


def connect_with_retries(engine: Engine, connector: Connector) -> None:
    """Make an engine connect through a ``Connector``, with retries.

    Args:
        engine: The engine, or the sync side of an async one.
        connector: Opens its connections.
    """

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: object, cargs: list[Any], cparams: dict[str, Any]) -> Any:
        attempts = ConnectAttempts(connector.outage, connector.timeout)
        while True:
            try:
                opened = connector.open(dialect, cargs, cparams, attempts.left)
            except MissingGreenlet:
                raise  # SQLAlchemy tries again inside a greenlet
            except Exception as error:
                if connector.pooler.detect_from_error(error):
                    continue
                pause = attempts.pause_after(error)
            else:
                attempts.succeeded()
                return opened
            if dialect.is_async:
                await_only(asyncio.sleep(pause))
            else:
                time.sleep(pause)


IS_CLOSED: dict[str, Callable[[Any], bool]] = {
    "asyncpg": is_closed_asyncpg,
    "psycopg": is_closed_psycopg,
}
"""Tells for each driver whether the server has closed a connection."""


def require_open_connection(connection: Connection) -> None:
    """Check that the server has not closed a connection before COMMIT is sent on it.

    The server has rolled the transaction back if it did, so that it can safely be retried.

    Args:
        connection: The connection whose transaction is about to be committed.

    Raises:
        sqlalchemy.exc.DisconnectionError: The connection is closed.
    """
    is_closed = IS_CLOSED.get(connection.engine.driver)
    if is_closed is not None and is_closed(connection.connection.driver_connection):
        connection.invalidate()
        raise DisconnectionError("The server closed this connection before COMMIT.")


def replace_closed_connections(engine: Engine, outage: Outage) -> None:
    """Make an engine's pool replace connections that the server has closed.

    Unlike ``pool_pre_ping``, which takes three round trips on asyncpg, the check takes none.

    Args:
        engine: The engine, or the sync side of an async one.
        outage: Knows when the server last refused writes; older connections are replaced too.
    """
    is_closed = IS_CLOSED[engine.driver]

    @event.listens_for(engine, "connect")
    def note(connection: Any, record: Any) -> None:
        record.info[OPENED_AT] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, fairy: Any) -> None:
        if record.info[OPENED_AT] < outage.demoted_at or is_closed(record.driver_connection):
            raise DisconnectionError("The server closed this connection.")
