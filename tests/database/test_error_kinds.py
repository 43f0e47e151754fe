"""Errors are classified: whether they are transient, and what happened to the work."""

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it has no types
import pytest
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from colonnade import Database
from colonnade.database import ErrorKind, error_kind_of
from colonnade.database.connections._connect_errors import connect_failure_of
from colonnade.database.connections._connector import LONGEST_PAUSE, ConnectAttempts
from colonnade.database.replicas._outages import Outage
from colonnade.database.statements._retry import Attempts
from colonnade.errors import StatementTimeoutError, UncertainCommitError, UnreachableError

TRANSIENT = [
    # Neon's proxy uses one code for every error: XX000.
    asyncpg.InternalServerError("Couldn't connect to compute node"),
    asyncpg.InternalServerError("Control plane request failed"),
    asyncpg.InternalServerError("Failed to acquire permit to connect to the database."),
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.CannotConnectNowError("the database system is shutting down"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5432)"),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError(),
    # libpq and PgBouncer give no codes here.
    OSError("connection failed: FATAL:  pgbouncer cannot connect to server"),
    OSError("connection failed: FATAL:  server login has been failing, try again later"),
    OSError("connection failed: FATAL:  no more connections allowed (max_client_conn)"),
    OSError("connection failed: server closed the connection unexpectedly"),
    OSError("connection failed: session is not read-write"),
]
PERMANENT = [
    asyncpg.InvalidPasswordError('password authentication failed for user "me"'),
    asyncpg.InvalidCatalogNameError('database "x" does not exist'),
    asyncpg.InternalServerError("Your account or project has exceeded the compute time quota."),
    OSError("connection failed: SSL error: certificate verify failed"),
    OSError("connection failed: server does not support SSL, but SSL was required"),
    OSError("something that nobody has seen before"),
]


@pytest.mark.parametrize("error", TRANSIENT, ids=str)
def test_a_transient_failure_is_retried(error: Exception) -> None:
    assert connect_failure_of(error).is_transient


@pytest.mark.parametrize("error", PERMANENT, ids=str)
def test_a_permanent_failure_is_raised_at_once(error: Exception) -> None:
    assert not connect_failure_of(error).is_transient
    attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=60)
    with pytest.raises(UnreachableError):
        attempts.pause_after(error)


def test_pauses_are_random_and_grow_to_a_maximum() -> None:
    def pauses() -> list[float]:
        attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=600)
        return [attempts.pause_after(TimeoutError()) for _ in range(12)]

    first, second = pauses(), pauses()
    assert first != second
    assert 0.05 <= first[0] <= 0.1
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in first[6:])


def test_no_attempt_begins_after_the_timeout() -> None:
    attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=0.2)
    assert attempts.pause_after(TimeoutError()) < 0.2
    attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=0)
    with pytest.raises(UnreachableError, match="did not answer in time"):
        attempts.pause_after(TimeoutError())


def database_error(state: str | None, *, lost: bool = False, text: str = "no") -> DBAPIError:
    """Return a database error as SQLAlchemy raises it."""
    error: Any = Exception(text)
    error.sqlstate = state
    return DBAPIError("SELECT", None, error, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "error_kind"),
    [
        (database_error("40001"), ErrorKind.CONFLICT),
        (database_error("40P01"), ErrorKind.CONFLICT),
        (database_error(None, text="database is locked"), ErrorKind.CONFLICT),
        (database_error("25006"), ErrorKind.MOVED),
        (database_error("57P01"), ErrorKind.LOST),
        (database_error("08006"), ErrorKind.LOST),
        (database_error(None, lost=True), ErrorKind.LOST),
        (DisconnectionError("gone"), ErrorKind.LOST),
        (UncertainCommitError("gone"), ErrorKind.LOST),
        (StatementTimeoutError("late"), ErrorKind.STALLED),
        (UnreachableError("no"), ErrorKind.UNREACHABLE),
        (PoolTimeoutError("full"), ErrorKind.UNREACHABLE),
        (database_error("57014"), ErrorKind.BUSY),
        (database_error("55P03"), ErrorKind.BUSY),
        (database_error(None, text="interrupted"), ErrorKind.BUSY),
        (database_error("53100"), ErrorKind.FULL),
        (database_error(None, text="database or disk is full"), ErrorKind.FULL),
        (database_error("23505"), None),
        (IntegrityError("INSERT", None, Exception("UNIQUE constraint failed")), None),
        (ValueError("of the program"), None),
    ],
    ids=lambda value: str(value).partition("\n")[0],
)
def test_an_error_is_classified_by_its_kind(error: Exception, error_kind: ErrorKind | None) -> None:
    assert error_kind_of(error) is error_kind


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("committing", [False, True])
@pytest.mark.parametrize(
    ("error", "is_retried"),
    [
        (database_error("40001"), (True, True, True, True)),
        (database_error("25006"), (True, True, True, True)),
        (database_error(None, lost=True), (True, True, None, True)),
        (StatementTimeoutError("late"), (False, False, None, False)),
        (database_error("57014"), (False, False, False, False)),
        (UnreachableError("no"), (False, False, False, False)),
        (database_error("23505"), (False, False, False, False)),
    ],
    ids=lambda value: str(value).partition("\n")[0],
)
def test_a_unit_of_work_is_retried_by_the_kind_of_its_error(
    error: Exception, is_retried: tuple[bool | None, ...], committing: bool, idempotent: bool
) -> None:
    """``is_retried`` is before COMMIT and after it, each for a normal and an idempotent unit."""
    attempts = Attempts(Outage(Database("postgresql://h/db").url), idempotent=idempotent)
    attempts.committing = committing
    expected = is_retried[2 * committing + idempotent]
    if expected is None:
        with pytest.raises(UncertainCommitError):
            attempts.pause_after(error)
        return
    assert (attempts.pause_after(error) is not None) is expected
    attempts.committed = True
    if not (committing and expected):
        assert attempts.pause_after(error) is None


def test_connections_are_replaced_before_neon_suspends(db: Database) -> None:
    pool: Any = db.engine.pool
    assert pool._recycle == (280 if db.url.backend == "postgresql" else -1)
    db.dispose()
