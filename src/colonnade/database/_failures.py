"""A driver's error at connecting, in words: what is wrong and what to do."""

import re
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from colonnade.database._urls import DatabaseURL
from colonnade.errors import UnreachableError

_MEANINGS: tuple[tuple[str, str], ...] = (
    (r"password authentication failed|28P01", "the user or password is wrong"),
    (r"no pg_hba\.conf entry|28000", "the server does not let this user in from here"),
    (r"database \"?[^\"]*\"? does not exist|3D000", "there is no database of that name"),
    (r"role \"?[^\"]*\"? does not exist", "there is no user of that name"),
    (
        r"does not match host name|[Hh]ostname mismatch|IP address mismatch",
        "its TLS certificate is for another host name",
    ),
    (r"certificate verify failed|CERTIFICATE_VERIFY", "its TLS certificate could not be verified"),
    (
        r"does not support SSL|rejected SSL|SSL upgrade",
        "it has no TLS: say sslmode=disable if it is on this machine",
    ),
    (r"root certificate file .* does not exist", "the file in sslrootcert is not there"),
    (r"Connection refused|Connect call failed|ECONNREFUSED", "nothing listens on that port"),
    (
        r"Name or service not known|nodename nor servname|getaddrinfo|resolve host|No address",
        "the host name is not known",
    ),
    (r"too many (clients|connections)|53300", "it has no connection left"),
    (r"starting up|57P03", "it is starting up: try again shortly"),
    (r"No such file or directory", "there is no server on that socket"),
    (r"timeout expired|timed out|TimeoutError", "it did not answer in time"),
    (r"file is not a database", "the file is no SQLite database"),
    (r"readonly database", "the file cannot be written"),
    (r"disk is full", "the disk is full"),
)


def unreachable(error: BaseException, url: DatabaseURL) -> UnreachableError:
    """The error to raise when a database could not be connected to.

    Args:
        error: What the driver or SQLAlchemy raised.
        url: Where to.
    """
    return UnreachableError(f"Cannot connect to {url}: {_reason(error, url)}.")


def _reason(error: BaseException, url: DatabaseURL) -> str:
    causes = list(_causes(error))
    if url.backend == "sqlite":
        reason = _file_reason(url)
        if reason:
            return reason
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "the host name is not known"
    for cause in causes:
        text = f"{type(cause).__name__}: {getattr(cause, 'sqlstate', '')} {cause}"
        for pattern, meaning in _MEANINGS:
            if re.search(pattern, text):
                return meaning
    last = str(causes[-1]).strip() or type(causes[-1]).__name__
    return last.splitlines()[0].rstrip(".")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, SQLAlchemy's wrapping (which quotes SQL) left out."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        following = getattr(current, "orig", None) or current.__cause__ or current.__context__
        if getattr(current, "orig", None) is None:
            yield current
        current = following


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
