"""Any database URL that people paste, as both drivers want it.

``DatabaseURL.parse`` takes the text apart, notes what becomes of each parameter, and answers
what the sync driver (psycopg, sqlite3) and the async one (asyncpg, aiosqlite) are called with.
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
from colonnade.database.connections._driver_config import Parameter, Target
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
    """A database URL, understood.

    Attributes:
        backend: ``sqlite`` or ``postgresql``.
        sync: What the sync driver is called with.
        asynchronous: What the async driver is called with.
        parameters: What became of each parameter.
        pooled: Whether a pooler in transaction mode stands before the server: Neon's
            ``-pooler`` host, ``pgbouncer=true`` or ``pool_mode=transaction``.
        is_certain: Whether the URL or the host's name settles ``pooled``, so that the first
            connection need not look for a pooler.
        keepalives: What the URL says of TCP's, by libpq's names.
        neon: Whether the server is Neon's.
        memory: Whether it is an SQLite database in memory.
    """

    backend: Backend
    sync: Target = field(repr=False)
    asynchronous: Target = field(repr=False)
    parameters: tuple[Parameter, ...] = ()
    pooled: bool = False
    is_certain: bool = False
    keepalives: Mapping[str, int] = field(default_factory=dict, repr=False)
    neon: bool = False
    memory: bool = False
    shown: str = field(default="", repr=True)

    def __str__(self) -> str:
        return self.shown

    @property
    def direct(self) -> "DatabaseURL":
        """The server itself, where Neon's pooler stands before it; else this URL.

        https://neon.com/docs/connect/connection-pooling: a session's settings and locks do not
        last through a pooler.
        """
        host = self.sync.url.host or ""
        first, dot, rest = host.partition(".")
        if not (self.neon and first.endswith("-pooler")):
            return self
        plain = first.removesuffix("-pooler") + dot + rest
        return replace(
            self,
            sync=replace(self.sync, url=self.sync.url.set(host=plain)),
            asynchronous=replace(self.asynchronous, url=self.asynchronous.url.set(host=plain)),
            pooled=False,
            shown=self.shown.replace(host, plain),
        )

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database that has one."""
        if self.backend != "sqlite" or self.memory:
            return None
        path = str(self.sync.url.database)
        return Path(unquote(path.removeprefix("file:")) if path.startswith("file:") else path)

    @classmethod
    def parse(cls, text: "str | URL | DatabaseURL") -> "DatabaseURL":
        """Understand a URL.

        Args:
            text: Any form that people paste: with or without a driver, ``postgres://``, quoted,
                after ``psql`` or ``DATABASE_URL=``. One that is understood already is answered
                as it is: the same database, where it is in memory.

        Raises:
            DatabaseURLError: Some part of it cannot be understood; the message names the part
                and never holds the password.
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
    """The URL of another database on a PostgreSQL server.

    Args:
        text: The URL of one, as ``DatabaseURL.parse`` takes it.
        name: The other's name.

    Returns:
        A URL; it holds the password, if ``text`` does.

    Raises:
        DatabaseURLError: It is not a URL of PostgreSQL.
    """
    backend, rest = _split_scheme(_cleaned(text))
    if backend != "postgresql":
        raise DatabaseURLError(f"There is no server behind {DatabaseURL.parse(text)}.")
    at = rest.rfind("@", 0, _query_start(rest)) + 1
    location, _, query = rest[at:].partition("?")
    kept = [(key, value) for key, value in parse_qsl(query) if key != "dbname"]
    parameters = f"?{urlencode(kept, safe='/')}" if kept else ""
    return f"postgresql://{rest[:at]}{location.partition('/')[0]}/{quote(name)}{parameters}"


def _cleaned(text: str) -> str:
    return _PASTED.sub("", text.strip()).strip().strip("\"'")


def _split_scheme(text: str) -> tuple[Backend, str]:
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise DatabaseURLError(f"Not a database URL: it has no '://'. Write {_EXAMPLES}.")
    name, _, driver = scheme.lower().partition("+")
    backend = _SCHEMES.get(name)
    if name == "cockroachdb":
        raise DatabaseURLError(
            "cockroachdb:// needs a dialect for SQLAlchemy 2.1, which does not exist yet: "
            "sqlalchemy-cockroachdb 2.0 is for 2.0. See docs/distributed.md."
        )
    if backend is None:
        near = difflib.get_close_matches(name, _SCHEMES, n=1)
        meant = f" Did you mean {near[0]}://?" if near else ""
        raise DatabaseURLError(f"Unsupported database {name}://. Write {_EXAMPLES}.{meant}")
    if driver not in _DRIVERS[backend]:
        raise DatabaseURLError(
            f"Unknown driver +{driver} for {backend}. Leave it out: {backend}://... selects "
            "the drivers itself."
        )
    return backend, rest


def _read_postgresql(rest: str) -> dict[str, Any]:
    """The parts of ``user:password@host:port/database?parameters``.

    The last ``@`` before the parameters ends the password, so that one with an ``@`` or ``/``
    in it, pasted as it is, still means what its owner meant.
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
    """Where the parameters begin: the first ``?`` that a ``name=`` follows."""
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
        raise DatabaseURLError(f"The host {text!r} is not one: write an IPv6 address in brackets.")
    host, port = match[1].strip("[]"), match[2]
    if port and not (port.isdigit() and 0 < int(port) < 65536):
        # It may well be the tail of a password with an unescaped sign in it: do not show it.
        raise DatabaseURLError(
            "The port must be a number from 1 to 65535. If the password has one of : / ? # in it, "
            "write them as %3A %2F %3F %23."
        )
    return host, int(port) if port else None
