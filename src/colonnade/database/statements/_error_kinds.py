"""Classify database errors by what happened to the work and whether to retry it.

The SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import re
from collections.abc import Iterator
from enum import Enum

from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from colonnade.errors import StatementTimeoutError, UncertainCommitError, UnreachableError


class ErrorKind(Enum):
    """What a database error means for the work that raised it.

    Attributes:
        CONFLICT: Another transaction interfered. The transaction was rolled back; retry it.
        LOST: The connection was lost. The transaction may or may not have been committed.
        MOVED: The server no longer accepts writes, as after a failover. Nothing was done.
        UNREACHABLE: No connection was available. Nothing was done.
        STALLED: The server did not answer in time. The transaction may or may not have been
            committed.
        BUSY: A time or memory limit was exceeded. The transaction was rolled back.
        FULL: The disk is full. The transaction was rolled back.

    Examples:
        ```python
        from colonnade.database import ErrorKind, error_kind_of
        from colonnade.errors import UnreachableError

        kind = error_kind_of(UnreachableError("The server does not answer."))
        print(kind is ErrorKind.UNREACHABLE)  # True
        ```
    """

    CONFLICT = "the transaction was rolled back, and a retry may succeed"
    LOST = "the connection was lost: the transaction may or may not have been committed"
    MOVED = "the server no longer accepts writes: nothing was done"
    UNREACHABLE = "no connection was available: nothing was done"
    STALLED = (
        "the server did not answer in time: the transaction may or may not have been committed"
    )
    BUSY = "a time or memory limit was exceeded: the transaction was rolled back"
    FULL = "the disk is full: the transaction was rolled back"


_SQLSTATES = {
    "40001": ErrorKind.CONFLICT,  # serialization_failure
    "40P01": ErrorKind.CONFLICT,  # deadlock_detected
    "25006": ErrorKind.MOVED,  # read_only_sql_transaction: a primary that is a standby now
    "55P03": ErrorKind.BUSY,  # lock_not_available
    "57014": ErrorKind.BUSY,  # query_canceled: statement_timeout among others
    "25P04": ErrorKind.BUSY,  # transaction_timeout
    "53100": ErrorKind.FULL,  # disk_full
    "53200": ErrorKind.BUSY,  # out_of_memory
    "53300": ErrorKind.UNREACHABLE,  # too_many_connections
    "57P01": ErrorKind.LOST,  # admin_shutdown
    "57P02": ErrorKind.LOST,  # crash_shutdown
    "57P03": ErrorKind.UNREACHABLE,  # cannot_connect_now
    "57P05": ErrorKind.LOST,  # idle_session_timeout
    "25P03": ErrorKind.LOST,  # idle_in_transaction_session_timeout
}
_STALE_PLAN = "cached plan must not change result type"
"""PostgreSQL's message (0A000) for a prepared statement whose table was altered since."""

_SQLITE_MESSAGES = (
    (r"database (?:table )?is locked|database schema is locked", ErrorKind.CONFLICT),
    (r"database or disk is full|disk I/O error", ErrorKind.FULL),
    (r"^interrupted$", ErrorKind.BUSY),
)


def error_kind_of(error: BaseException) -> ErrorKind | None:
    """Classify an error; None for an ordinary error of a statement, such as a violated constraint.

    Args:
        error: The error that SQLAlchemy or Colonnade raised.

    Returns:
        The kind of the error, which says whether the work was done and whether to retry it.

    Examples:
        ```python
        from sqlalchemy.exc import DBAPIError

        from colonnade import Database, text
        from colonnade.database import error_kind_of

        db = Database("sqlite://")
        with db.session() as session:
            try:
                session.exec(text("SELECT * FROM missing"))
            except DBAPIError as error:
                print(error_kind_of(error))  # None
        ```
    """
    if isinstance(error, UnreachableError | PoolTimeoutError):
        return ErrorKind.UNREACHABLE
    if isinstance(error, UncertainCommitError | DisconnectionError):
        return ErrorKind.LOST
    if isinstance(error, StatementTimeoutError):
        return ErrorKind.STALLED
    if not isinstance(error, DBAPIError):
        return None
    state = sqlstate_of(error)
    if state in _SQLSTATES:
        return _SQLSTATES[state]
    if state == "0A000" and is_stale_plan(error):
        return ErrorKind.CONFLICT
    if error.connection_invalidated or (state or "").startswith("08"):
        return ErrorKind.LOST
    if state is None:
        for pattern, error_kind in _SQLITE_MESSAGES:
            if re.search(pattern, str(error.orig)):
                return error_kind
    return None


def is_stale_plan(error: BaseException) -> bool:
    """Whether a prepared statement is outdated because its table was altered."""
    causes = list(causes_of(error))
    named = any(type(cause).__name__ == "InvalidCachedStatementError" for cause in causes)
    return named or any(_STALE_PLAN in str(cause) for cause in causes)


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error; None if it has none."""
    for cause in causes_of(error):
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None


def causes_of(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, without SQLAlchemy's wrappers (whose text quotes SQL)."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        wrapped = getattr(current, "orig", None) if isinstance(current, SQLAlchemyError) else None
        if wrapped is None:
            yield current
        current = wrapped or current.__cause__ or current.__context__
