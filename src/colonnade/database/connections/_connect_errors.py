"""A driver's error at connecting, in words: what is wrong and what to do."""

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
    """What is wrong where a database cannot be connected to.

    Attributes:
        reason: In words.
        passes: Whether it may be over in a while, by itself: then trying again is worth it.
    """

    reason: str
    passes: bool = False


_MEANINGS: tuple[tuple[str, ConnectFailure], ...] = (
    # Neon's proxy has one code for everything: https://github.com/neondatabase/neon, proxy/src.
    (
        r"Couldn't connect to compute node|Control plane request failed|Failed to acquire permit",
        ConnectFailure("it is waking up", passes=True),
    ),
    (r"password authentication failed|28P01", ConnectFailure("the user or password is wrong")),
    (
        r"no pg_hba\.conf entry|\b28000\b",
        ConnectFailure("the server does not let this user in from here"),
    ),
    (
        r"database \"?[^\"]*\"? does not exist|3D000",
        ConnectFailure("there is no database of that name"),
    ),
    (r"no such database", ConnectFailure("there is no database of that name")),  # PgBouncer's
    (r"role \"?[^\"]*\"? does not exist", ConnectFailure("there is no user of that name")),
    (r"no such user", ConnectFailure("there is no user of that name")),
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
        ConnectFailure("it does not support TLS: use sslmode=disable if it runs on this machine"),
    ),
    (
        r"channel binding required|channel_binding",
        ConnectFailure(
            "it does not support channel binding, which channel_binding=require demands"
        ),
    ),
    (
        r"root certificate file .* does not exist",
        ConnectFailure("the file that sslrootcert names does not exist"),
    ),
    (
        r"unsupported startup parameter",
        ConnectFailure("its pooler refuses a setting of the URL: use pool_mode=transaction"),
    ),
    (
        r"Connection refused|Connect call failed|ECONNREFUSED",
        ConnectFailure("nothing listens on that port", passes=True),
    ),
    (
        r"Temporary failure in name resolution|EAI_AGAIN",
        ConnectFailure("the host name could not be looked up", passes=True),
    ),
    (
        r"Name or service not known|nodename nor servname|getaddrinfo|resolve host|No address",
        ConnectFailure("the host name is not known"),
    ),
    (
        r"too many (clients|connections)|remaining connection slots|no more connections allowed"
        r"|53300",
        ConnectFailure("it has no free connections", passes=True),
    ),
    (
        r"starting up|shutting down|recovery mode|not yet accepting|57P03",
        ConnectFailure("it is starting up or shutting down", passes=True),
    ),
    (
        r"terminating connection|administrator command|57P01|57P02",
        ConnectFailure("it is shutting down", passes=True),
    ),
    (
        r"server login|cannot connect to server|server_login_retry|query_wait_timeout"
        r"|server conn crashed",
        ConnectFailure("the pooler cannot reach its server", passes=True),
    ),
    (
        r"not read-write|read-only|session is not|no suitable|in hot standby"
        r"|[Nn]one of the hosts match|target_session_attrs",
        ConnectFailure("none of its hosts accepts writes at the moment", passes=True),
    ),
    (
        r"No such file or directory|FileNotFoundError",
        ConnectFailure("there is no server on that socket", passes=True),
    ),
    (
        r"timeout expired|timed out|TimeoutError|CancelledError",
        ConnectFailure("it did not answer in time", passes=True),
    ),
    (
        r"closed the connection|closed in the middle|unexpected connection_lost"
        r"|[Cc]onnection reset|Connection aborted|[Cc]onnection (?:was )?closed|[Bb]roken pipe"
        r"|EOF detected|unexpected eof|08006|08003|08001|ConnectionResetError",
        ConnectFailure("it closed the connection", passes=True),
    ),
    (
        r"[Nn]etwork is unreachable|[Nn]o route to host|[Hh]ost is down",
        ConnectFailure("its host is unreachable", passes=True),
    ),
    (r"file is not a database", ConnectFailure("the file is not an SQLite database")),
    (r"readonly database", ConnectFailure("the file cannot be written")),
    (r"disk is full", ConnectFailure("the disk is full")),
)


def meaning_of(error: BaseException) -> ConnectFailure:
    """What keeps a database from being connected to.

    Args:
        error: What the driver or SQLAlchemy raised.
    """
    causes = list(causes_of(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        again = any(getattr(cause, "errno", None) == socket.EAI_AGAIN for cause in causes)
        if again:
            return ConnectFailure("the host name could not be looked up", passes=True)
        return ConnectFailure("the host name is not known")
    for cause in causes:
        text = f"{type(cause).__name__}: {getattr(cause, 'sqlstate', '')} {cause}"
        for pattern, meaning in _MEANINGS:
            if re.search(pattern, text):
                return meaning
    last = str(causes[-1]).strip() or type(causes[-1]).__name__
    return ConnectFailure(last.splitlines()[0].rstrip("."))


def unreachable(error: BaseException, url: DatabaseURL) -> UnreachableError:
    """The error to raise when a database could not be connected to.

    Args:
        error: What the driver or SQLAlchemy raised.
        url: Where to.
    """
    reason = _file_reason(url) if url.backend == "sqlite" else None
    return UnreachableError(f"Cannot connect to {url}: {reason or meaning_of(error).reason}.")


@contextmanager
def as_unreachable(url: DatabaseURL) -> Iterator[None]:
    """Let what keeps a database from being asked be one error, which says why.

    Args:
        url: The database.

    Raises:
        UnreachableError: It cannot be asked.
    """
    try:
        yield
    except UnreachableError:
        raise
    except (SQLAlchemyError, UncertainCommitError, OSError, sqlite3.Error) as error:
        raise unreachable(error, url) from error


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
            return f"the directory {path.parent} cannot be written"
    return None
