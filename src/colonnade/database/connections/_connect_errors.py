"""Translate a driver's connection error into what is wrong and what to do."""

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from colonnade.database.connections._urls import DatabaseURL
from colonnade.database.statements._error_kinds import causes_of
from colonnade.errors import UncertainCommitError, UnreachableError


@dataclass(frozen=True, slots=True)
class ConnectFailure:
    """Why a connection to a database failed.

    Attributes:
        reason: The reason, as it is shown to users.
        is_transient: Whether the failure may pass by itself, so that a retry is worthwhile.
    """

    reason: str
    is_transient: bool = False


_FAILURES: tuple[tuple[str, ConnectFailure], ...] = (
    # Neon's proxy uses one code for every error: https://github.com/neondatabase/neon, proxy/src.
    (
        r"Couldn't connect to compute node|Control plane request failed|Failed to acquire permit",
        ConnectFailure("it is waking up", is_transient=True),
    ),
    (r"password authentication failed|28P01", ConnectFailure("the user or password is wrong")),
    (
        r"no pg_hba\.conf entry|\b28000\b",
        ConnectFailure(
            "the server does not allow this user to connect from this host (pg_hba.conf)"
        ),
    ),
    (
        r"database \"?[^\"]*\"? does not exist|3D000",
        ConnectFailure("the database does not exist"),
    ),
    (r"no such database", ConnectFailure("the database does not exist")),  # PgBouncer
    (r"role \"?[^\"]*\"? does not exist", ConnectFailure("the user does not exist")),
    (r"no such user", ConnectFailure("the user does not exist")),
    (
        r"does not match host name|[Hh]ostname mismatch|IP address mismatch",
        ConnectFailure("its TLS certificate is for another host name"),
    ),
    (r"certificate has expired", ConnectFailure("its TLS certificate has expired")),
    (
        r"certificate verify failed|CERTIFICATE_VERIFY",
        ConnectFailure("its TLS certificate could not be verified"),
    ),
    (
        r"does not support SSL|rejected SSL|SSL upgrade",
        ConnectFailure("it does not support TLS. Use sslmode=disable if it runs on this machine"),
    ),
    (
        r"channel binding required|channel_binding",
        ConnectFailure("it does not support channel binding, which channel_binding=require needs"),
    ),
    (
        r"root certificate file .* does not exist",
        ConnectFailure("the file that sslrootcert names does not exist"),
    ),
    (
        r"unsupported startup parameter",
        ConnectFailure(
            "its pooler rejects a setting of the URL. Add pool_mode=transaction to the URL"
        ),
    ),
    (
        r"Connection refused|Connect call failed|ECONNREFUSED",
        ConnectFailure("nothing listens on that port", is_transient=True),
    ),
    (
        r"Temporary failure in name resolution|EAI_AGAIN",
        ConnectFailure("the host name could not be resolved", is_transient=True),
    ),
    (
        r"Name or service not known|nodename nor servname|getaddrinfo|resolve host|No address",
        ConnectFailure("the host name does not exist"),
    ),
    (
        r"too many (clients|connections)|remaining connection slots|no more connections allowed"
        r"|53300",
        ConnectFailure("it has no free connection slots", is_transient=True),
    ),
    (
        r"starting up|shutting down|recovery mode|not yet accepting|57P03",
        ConnectFailure("it is starting up or shutting down", is_transient=True),
    ),
    (
        r"terminating connection|administrator command|57P01|57P02",
        ConnectFailure("it is shutting down", is_transient=True),
    ),
    (
        r"server login|cannot connect to server|server_login_retry|query_wait_timeout"
        r"|server conn crashed",
        ConnectFailure("the pooler cannot reach the server", is_transient=True),
    ),
    (
        r"not read-write|read-only|session is not|no suitable|in hot standby"
        r"|[Nn]one of the hosts match|target_session_attrs",
        ConnectFailure("none of its hosts accepts writes at the moment", is_transient=True),
    ),
    (
        r"No such file or directory|FileNotFoundError",
        ConnectFailure("no server listens on that socket", is_transient=True),
    ),
    (
        r"timeout expired|timed out|TimeoutError|CancelledError",
        ConnectFailure("it did not answer in time", is_transient=True),
    ),
    (
        r"closed the connection|closed in the middle|unexpected connection_lost"
        r"|[Cc]onnection reset|Connection aborted|[Cc]onnection (?:was )?closed|[Bb]roken pipe"
        r"|EOF detected|unexpected eof|08006|08003|08001|ConnectionResetError",
        ConnectFailure("it closed the connection", is_transient=True),
    ),
    (
        r"[Nn]etwork is unreachable|[Nn]o route to host|[Hh]ost is down",
        ConnectFailure("its host cannot be reached over the network", is_transient=True),
    ),
    (r"file is not a database", ConnectFailure("the file is not an SQLite database")),
    (r"readonly database", ConnectFailure("the file is read-only")),
    (r"disk is full", ConnectFailure("the disk is full")),
)


def connect_failure_of(error: BaseException) -> ConnectFailure:
    """Return why a connection failed.

    Args:
        error: The error that the driver or SQLAlchemy raised.
    """
    causes = list(causes_of(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        is_temporary = any(getattr(cause, "errno", None) == socket.EAI_AGAIN for cause in causes)
        if is_temporary:
            return ConnectFailure("the host name could not be resolved", is_transient=True)
        return ConnectFailure("the host name does not exist")
    for cause in causes:
        text = f"{type(cause).__name__}: {getattr(cause, 'sqlstate', '')} {cause}"
        for pattern, failure in _FAILURES:
            if re.search(pattern, text):
                return failure
    last = str(causes[-1]).strip() or type(causes[-1]).__name__
    return ConnectFailure(last.splitlines()[0].rstrip("."))


def unreachable_error(error: BaseException, url: DatabaseURL) -> UnreachableError:
    """Return the error to raise when a connection to a database failed.

    Args:
        error: The error that the driver or SQLAlchemy raised.
        url: The database.
    """
    reason = _file_reason(url) if url.backend == "sqlite" else None
    return UnreachableError(
        f"Cannot connect to {url}: {reason or connect_failure_of(error).reason}."
    )


@contextmanager
def translate_connect_errors(url: DatabaseURL) -> Iterator[None]:
    """Raise an ``UnreachableError`` that says why when the database cannot be reached.

    Args:
        url: The database.

    Raises:
        UnreachableError: The database cannot be reached.
    """
    try:
        yield
    except UnreachableError:
        raise
    except (SQLAlchemyError, UncertainCommitError, OSError, sqlite3.Error) as error:
        raise unreachable_error(error, url) from error


def _file_reason(url: DatabaseURL) -> str | None:
    path = Path(str(url).removeprefix("sqlite:///").removeprefix("file:").partition("?")[0])
    if path.is_dir():
        return f"{path} is a directory"
    if not path.parent.exists():
        return f"the directory {path.parent} does not exist"
    if not path.exists():
        try:
            sqlite3.connect(path).close()
        except sqlite3.Error:
            return f"the directory {path.parent} is not writable"
    return None
