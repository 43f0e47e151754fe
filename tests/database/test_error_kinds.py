"""What errors mean: whether they pass by themselves, and what is known of the work."""

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

PASSES = [
    # Neon's proxy, which has one code for everything: XX000.
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
    # libpq and PgBouncer have no codes here.
    OSError("connection failed: FATAL:  pgbouncer cannot connect to server"),
    OSError("connection failed: FATAL:  server login has been failing, try again later"),
    OSError("connection failed: FATAL:  no more connections allowed (max_client_conn)"),
    OSError("connection failed: server closed the connection unexpectedly"),
    OSError("connection failed: session is not read-write"),
]
STAYS = [
    asyncpg.InvalidPasswordError('password authentication failed for user "me"'),
    asyncpg.InvalidCatalogNameError('database "x" does not exist'),
    asyncpg.InternalServerError("Your account or project has exceeded the compute time quota."),
    OSError("connection failed: SSL error: certificate verify failed"),
    OSError("connection failed: server does not support SSL, but SSL was required"),
    OSError("something that nobody has seen before"),
]


@pytest.mark.parametrize("error", PASSES, ids=str)
def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    assert connect_failure_of(error).is_transient


@pytest.mark.parametrize("error", STAYS, ids=str)
def test_what_does_not_is_an_error_at_once(error: Exception) -> None:
    assert not connect_failure_of(error).is_transient
    attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=60)
    with pytest.raises(UnreachableError):
        attempts.pause_after(error)


def test_pauses_grow_to_a_bound_and_differ() -> None:
    def pauses() -> list[float]:
        attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=600)
        return [attempts.pause_after(TimeoutError()) for _ in range(12)]

    first, second = pauses(), pauses()
    assert first != second
    assert 0.05 <= first[0] <= 0.1
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in first[6:])


def test_the_last_try_ends_with_the_time() -> None:
    attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=0.2)
    assert attempts.pause_after(TimeoutError()) < 0.2
    attempts = ConnectAttempts(Outage(Database("postgresql://h/db").url), timeout=0)
    with pytest.raises(UnreachableError, match="did not answer in time"):
        attempts.pause_after(TimeoutError())


def of_database(state: str | None, *, lost: bool = False, text: str = "no") -> DBAPIError:
    """An error of the database's, as SQLAlchemy raises it."""
    error: Any = Exception(text)
    error.sqlstate = state
    return DBAPIError("SELECT", None, error, connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "error_kind"),
    [
        (of_database("40001"), ErrorKind.CONFLICT),
        (of_database("40P01"), ErrorKind.CONFLICT),
        (of_database(None, text="database is locked"), ErrorKind.CONFLICT),
        (of_database("25006"), ErrorKind.MOVED),
        (of_database("57P01"), ErrorKind.LOST),
        (of_database("08006"), ErrorKind.LOST),
        (of_database(None, lost=True), ErrorKind.LOST),
        (DisconnectionError("gone"), ErrorKind.LOST),
        (UncertainCommitError("gone"), ErrorKind.LOST),
        (StatementTimeoutError("late"), ErrorKind.STALLED),
        (UnreachableError("no"), ErrorKind.UNREACHABLE),
        (PoolTimeoutError("full"), ErrorKind.UNREACHABLE),
        (of_database("57014"), ErrorKind.BUSY),
        (of_database("55P03"), ErrorKind.BUSY),
        (of_database(None, text="interrupted"), ErrorKind.BUSY),
        (of_database("53100"), ErrorKind.FULL),
        (of_database(None, text="database or disk is full"), ErrorKind.FULL),
        (of_database("23505"), None),
        (IntegrityError("INSERT", None, Exception("UNIQUE constraint failed")), None),
        (ValueError("of the program"), None),
    ],
    ids=lambda value: str(value).partition("\n")[0],
)
def test_what_went_wrong_has_a_name(error: Exception, error_kind: ErrorKind | None) -> None:
    assert error_kind_of(error) is error_kind


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("committing", [False, True])
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (of_database("40001"), (True, True, True, True)),
        (of_database("25006"), (True, True, True, True)),
        (of_database(None, lost=True), (True, True, None, True)),
        (StatementTimeoutError("late"), (False, False, None, False)),
        (of_database("57014"), (False, False, False, False)),
        (UnreachableError("no"), (False, False, False, False)),
        (of_database("23505"), (False, False, False, False)),
    ],
    ids=lambda value: str(value).partition("\n")[0],
)
def test_what_is_run_again(
    error: Exception, again: tuple[bool | None, ...], committing: bool, idempotent: bool
) -> None:
    """Before COMMIT and after it, of a unit that may not be carried out twice and one that may."""
    attempts = Attempts(Outage(Database("postgresql://h/db").url), idempotent=idempotent)
    attempts.committing = committing
    expected = again[2 * committing + idempotent]
    if expected is None:
        with pytest.raises(UncertainCommitError):
            attempts.pause_after(error)
        return
    assert (attempts.pause_after(error) is not None) is expected
    attempts.committed = True
    if not (committing and expected):
        assert attempts.pause_after(error) is None


def test_connections_are_opened_anew_before_neon_suspends(db: Database) -> None:
    pool: Any = db.engine.pool
    assert pool._recycle == (280 if db.url.backend == "postgresql" else -1)
    db.dispose()
