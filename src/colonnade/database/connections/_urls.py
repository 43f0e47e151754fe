"""Parse any common form of database URL into the arguments of both drivers.

``DatabaseURL.parse`` translates each query parameter for the sync driver (psycopg, sqlite3) and for
the async driver (asyncpg, aiosqlite), and records how it did.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sqlalchemy import URL

from colonnade.backends import Backend
from colonnade.database.connections import _postgresql, _sqlite_urls
from colonnade.database.connections._driver_config import DriverConfig, Parameter
from colonnade.errors import DatabaseURLError

_SCHEMES: Mapping[str, Backend] = {
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "pgsql": "postgresql",
    "sqlite": "sqlite",
    "sqlite3": "sqlite",
}
_DRIVERS: Mapping[Backend, frozenset[str]] = {
    "postgresql": frozenset(
        ("", "psycopg", "psycopg2", "psycopg2cffi", "psycopg_async", "asyncpg", "pg8000")
    ),
    "sqlite": frozenset(("", "pysqlite", "aiosqlite")),
}
_EXAMPLES = "sqlite:///tasks.db or postgresql://user:password@host/database"
_PASTED = re.compile(r"^(?:export\s+)?(?:[A-Z_]*URL\s*=\s*|psql\s+)", re.ASCII)


@dataclass(frozen=True)
class DatabaseURL:
    """A parsed database URL.

    Attributes:
        backend: ``sqlite`` or ``postgresql``.
        sync: How the sync driver connects.
        asynchronous: How the async driver connects.
        parameters: How each query parameter was translated.
        pooled: Whether the URL leads to a pooler in transaction mode: Neon's ``-pooler`` host,
            ``pgbouncer=true`` or ``pool_mode=transaction``.
        pooling_is_known: Whether a parameter or the host name settles ``pooled``. Otherwise the
            first connection detects a pooler.
        keepalives: The TCP keepalive parameters of the URL, by libpq's names.
        neon: Whether the server is hosted by Neon.
        memory: Whether it is an in-memory SQLite database.
        shown: The URL without its password, as ``str()`` returns it.

    Examples:
        ```python
        from colonnade.database import DatabaseURL

        url = DatabaseURL.parse("postgres://ann:secret@ep-sky-pooler.eu.neon.tech/tasks")
        print(url)  # postgresql://ann:***@ep-sky-pooler.eu.neon.tech/tasks
        print(url.backend, url.neon, url.pooled)  # postgresql True True
        print(url.direct)  # postgresql://ann:***@ep-sky.eu.neon.tech/tasks
        ```
    """

    backend: Backend
    sync: DriverConfig = field(repr=False)
    asynchronous: DriverConfig = field(repr=False)
    parameters: tuple[Parameter, ...] = ()
    pooled: bool = False
    pooling_is_known: bool = False
    keepalives: Mapping[str, int] = field(default_factory=dict, repr=False)
    neon: bool = False
    memory: bool = False
    shown: str = field(default="", repr=True)

    def __str__(self) -> str:
        return self.shown

    @property
    def direct(self) -> "DatabaseURL":
        """The URL of the server behind Neon's pooler; for any other URL, the URL itself.

        Session settings and locks do not work through a pooler:
        https://neon.com/docs/connect/connection-pooling
        """
        host = self.sync.url.host or ""
        first, dot, rest = host.partition(".")
        if not (self.neon and first.endswith("-pooler")):
            return self
        direct_host = first.removesuffix("-pooler") + dot + rest
        return replace(
            self,
            sync=replace(self.sync, url=self.sync.url.set(host=direct_host)),
            asynchronous=replace(
                self.asynchronous, url=self.asynchronous.url.set(host=direct_host)
            ),
            pooled=False,
            shown=self.shown.replace(host, direct_host),
        )

    @property
    def read_only(self) -> "DatabaseURL":
        """The URL whose sessions only read: ``mode=ro``, or ``default_transaction_read_only``.

        Itself for a database in memory, and for a pooler, whose sessions are those of others.
        """
        if self.memory or self.pooled:
            return self
        settings = _sqlite_urls if self.backend == "sqlite" else _postgresql
        sync, asynchronous = settings.read_only(self.sync, self.asynchronous)
        return replace(self, sync=sync, asynchronous=asynchronous)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for an in-memory database or another backend."""
        if self.backend != "sqlite" or self.memory:
            return None
        path = str(self.sync.url.database)
        return Path(unquote(path.removeprefix("file:")) if path.startswith("file:") else path)

    @classmethod
    def parse(cls, text: "str | URL | DatabaseURL") -> "DatabaseURL":
        """Parse a URL.

        Args:
            text: A URL in any common form: with or without a driver, ``postgres://``, quoted,
                after ``psql`` or ``DATABASE_URL=``. A ``DatabaseURL`` is returned unchanged, so
                that an in-memory database remains the same one.

        Returns:
            The parsed URL.

        Raises:
            DatabaseURLError: A part of the URL is invalid. The message names that part and never
                contains the password.
        """
        if isinstance(text, DatabaseURL):
            return text
        if isinstance(text, URL):
            text = text.render_as_string(hide_password=False)
        backend, rest = _split_scheme(_cleaned(text))
        if backend == "sqlite":
            return cls(backend="sqlite", **_sqlite_urls.read(rest))
        return cls(backend="postgresql", **_read_postgresql(rest))


def with_database(text: str, name: str) -> str:
    """Return the URL of another database on the same PostgreSQL server.

    Args:
        text: A URL, in any form that ``DatabaseURL.parse`` accepts.
        name: The name of the other database.

    Returns:
        The URL, including the password if ``text`` contains one.

    Raises:
        DatabaseURLError: It is not a PostgreSQL URL.

    Examples:
        ```python
        from colonnade.database import with_database

        print(with_database("postgres://ann@localhost/tasks?sslmode=require", "tasks_test"))
        # postgresql://ann@localhost/tasks_test?sslmode=require
        ```
    """
    backend, rest = _split_scheme(_cleaned(text))
    if backend != "postgresql":
        raise DatabaseURLError(
            f"{DatabaseURL.parse(text)} does not name a database server. Use a PostgreSQL URL."
        )
    at = rest.rfind("@", 0, _query_start(rest)) + 1
    location, _, query = rest[at:].partition("?")
    other_parameters = [(key, value) for key, value in parse_qsl(query) if key != "dbname"]
    parameters = f"?{urlencode(other_parameters, safe='/')}" if other_parameters else ""
    return f"postgresql://{rest[:at]}{location.partition('/')[0]}/{quote(name)}{parameters}"


def _cleaned(text: str) -> str:
    return _PASTED.sub("", text.strip()).strip().strip("\"'")


def _split_scheme(text: str) -> tuple[Backend, str]:
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise DatabaseURLError(
            f"Not a database URL: '://' is missing. Use a URL such as {_EXAMPLES}."
        )
    name, _, driver = scheme.lower().partition("+")
    backend = _SCHEMES.get(name)
    if name == "cockroachdb":
        raise DatabaseURLError(
            "cockroachdb:// is not supported yet: it needs a dialect for SQLAlchemy 2.1, and "
            "sqlalchemy-cockroachdb 2.0 is for SQLAlchemy 2.0. See docs/distributed.md."
        )
    if backend is None:
        # A misspelt scheme begins like the right one: mysql is not a misspelt pgsql.
        candidates = [scheme for scheme in _SCHEMES if scheme[0] == name[:1]]
        matches = difflib.get_close_matches(name, candidates, n=1)
        suggestion = f" Did you mean {matches[0]}://?" if matches else ""
        raise DatabaseURLError(
            f"Colonnade does not support {name}:// databases. Use a URL such as {_EXAMPLES}."
            f"{suggestion}"
        )
    if driver not in _DRIVERS[backend]:
        raise DatabaseURLError(
            f"Colonnade does not use the driver {driver!r}. Write {backend}://... without a "
            "driver: Colonnade chooses one for sync and one for async code."
        )
    return backend, rest


def _read_postgresql(rest: str) -> dict[str, Any]:
    """Split ``user:password@host:port/database?parameters`` into its parts.

    The last ``@`` before the parameters ends the password, so that a password may contain an
    unescaped ``@`` or ``/``.
    """
    at = rest.rfind("@", 0, _query_start(rest))
    userinfo, location = (rest[:at], rest[at + 1 :]) if at >= 0 else ("", rest)
    location, _, query = location.partition("?")
    authority, _, database = location.partition("/")
    user, _, password = userinfo.partition(":")
    return _postgresql.read(
        user=unquote(user) or None,
        password=unquote(password) or None,
        hosts=_hosts(unquote(authority)),
        database=unquote(database) or None,
        query=parse_qsl(query, keep_blank_values=True),
    )


def _query_start(rest: str) -> int:
    """Return where the parameters begin: at the first ``?`` that is followed by ``name=``."""
    match = re.search(r"\?(?=[A-Za-z_]+=)", rest)
    return match.start() if match else len(rest)


def _hosts(authority: str) -> list[tuple[str, int | None]]:
    if not authority:
        return []
    if authority.startswith("/"):
        return [(authority, None)]
    return [_host(part) for part in authority.split(",")]


def _host(text: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(.*))?", text)
    if match is None:
        raise DatabaseURLError(f"Invalid host {text!r}. Write an IPv6 address in brackets.")
    host, port = match[1].strip("[]"), match[2]
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        # The port may be the tail of a password with an unescaped character: do not show it.
        raise DatabaseURLError(
            "The port is not a number from 1 to 65535. If the password contains one of : / ? #, "
            "write it as %3A, %2F, %3F or %23."
        )
    return host, int(port) if port else None
