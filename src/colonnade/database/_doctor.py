"""Diagnose a database URL and the server behind it, for ``colonnade doctor``."""

import asyncio
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from colonnade.database._capabilities import capabilities_of
from colonnade.database._database import Database
from colonnade.database.connections._driver_config import Parameter
from colonnade.errors import DatabaseError

SAMPLES = 5
"""The number of timed statements, of which the median is reported."""

OLDEST_VERSIONS = {"sqlite": (3, 36, 0), "postgresql": (15,)}
"""The oldest supported versions. SQLite 3.36 introduced shared in-memory databases (``memdb``)."""


@dataclass
class DriverCheck:
    """The result of connecting with one driver.

    Attributes:
        name: ``sync`` or ``async``.
        driver: The driver's package.
        error: Why the connection failed; empty if it succeeded.
        server: The server and its version.
        tls: The TLS version and what was verified; empty for SQLite.
        connect_ms: Milliseconds to open the first connection.
        round_trip_ms: Milliseconds for a statement, the median of ``SAMPLES``.

    Examples:
        ```python
        import asyncio

        from colonnade.database import diagnose

        for check in asyncio.run(diagnose("sqlite://")).checks:
            print(check.name, check.driver, check.error or "connected")
            # sync pysqlite connected
            # async aiosqlite connected
        ```
    """

    name: str
    driver: str
    error: str = ""
    server: str = ""
    tls: str = ""
    connect_ms: float = 0.0
    round_trip_ms: float = 0.0


@dataclass
class Diagnosis:
    """The result of ``diagnose``.

    Attributes:
        url: The URL, without its password.
        kind: What the URL leads to: a file, memory, a pooler or a server.
        parameters: How each query parameter was translated.
        checks: The result for the sync and for the async driver.
        advice: What to change.

    Examples:
        ```python
        import asyncio

        from colonnade.database import diagnose

        diagnosis = asyncio.run(diagnose("sqlite://"))
        print(diagnosis.healthy, diagnosis.url)  # True sqlite://
        print(diagnosis.kind)  # an in-memory SQLite database, lost when the process ends
        ```
    """

    url: str
    kind: str
    parameters: tuple[Parameter, ...]
    checks: list[DriverCheck] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether both drivers connected."""
        return all(not check.error for check in self.checks)


async def diagnose(url: str | Database | None = None) -> Diagnosis:
    """Parse a URL, connect with both drivers, and advise on what to change.

    ``colonnade doctor`` prints the result.

    Args:
        url: The URL, or a Database; the environment variable ``DATABASE_URL`` if it is None.

    Returns:
        The diagnosis. A failed connection is part of it and raises no error.

    Raises:
        DatabaseURLError: The URL is invalid.

    Examples:
        ```python
        import asyncio

        from colonnade.database import diagnose

        diagnosis = asyncio.run(diagnose("sqlite:///missing/tasks.db"))
        print(diagnosis.healthy)  # False
        print(diagnosis.checks[0].error)
        # Cannot connect to sqlite:///missing/tasks.db: the directory missing does not
        # exist.
        ```
    """
    db = url if isinstance(url, Database) else Database(url)
    created = _files_to_be_created(db)
    diagnosis = Diagnosis(str(db.url), _kind(db), db.url.parameters)
    try:
        diagnosis.checks.append(await asyncio.to_thread(_check_sync, db))
        diagnosis.checks.append(await _check_async(db))
        diagnosis.kind = _kind(db)
    finally:
        await db.dispose_async()
        for path in created:
            path.unlink(missing_ok=True)
    if created and diagnosis.healthy:
        diagnosis.advice.append("The file does not exist yet. It is created when it is first used.")
    diagnosis.advice.extend(_advice(db, diagnosis))
    return diagnosis


def _files_to_be_created(db: Database) -> list[Path]:
    """Return the files that connecting would create, so that they can be removed again."""
    file = db.url.file
    if file is None or file.exists():
        return []
    return [Path(f"{file}{end}") for end in ("", "-wal", "-shm")]


def _kind(db: Database) -> str:
    if db.url.memory:
        return "an in-memory SQLite database, lost when the process ends"
    if db.url.file is not None:
        return f"the SQLite file {db.url.file.absolute()}"
    server = "Neon" if db.url.neon else "PostgreSQL"
    if not db.is_pooled:
        return f"{server}, direct"
    detected = "" if db.url.pooled else " (detected)"
    return f"{server}, through a pooler in transaction mode{detected}"


def _check_sync(db: Database) -> DriverCheck:
    check = DriverCheck("sync", db.url.sync.url.get_driver_name())
    try:
        started = time.perf_counter()
        db.ping()
        check.connect_ms = _milliseconds_since(started)
        with db.engine.connect() as connection:
            check.server, check.tls = _server(connection), _tls(connection, db)
            connection.rollback()
            times = []
            for _ in range(SAMPLES):
                started = time.perf_counter()
                connection.execute(text("SELECT 1"))
                times.append(_milliseconds_since(started))
            check.round_trip_ms = median(times)
    except DatabaseError as error:
        check.error = str(error)
    return check


async def _check_async(db: Database) -> DriverCheck:
    check = DriverCheck("async", db.url.asynchronous.url.get_driver_name())
    try:
        started = time.perf_counter()
        await db.ping_async()
        check.connect_ms = _milliseconds_since(started)
        async with db.async_engine.connect() as connection:
            check.server = await connection.run_sync(_server)
            check.tls = await connection.run_sync(_tls, db)
            await connection.rollback()
            check.round_trip_ms = await _median_ms(connection)
    except DatabaseError as error:
        check.error = str(error)
    return check


async def _median_ms(connection: AsyncConnection) -> float:
    times = []
    for _ in range(SAMPLES):
        started = time.perf_counter()
        await connection.execute(text("SELECT 1"))
        times.append(_milliseconds_since(started))
    return median(times)


def _milliseconds_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _server(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        return f"SQLite {sqlite3.sqlite_version}, journal mode {mode}"
    version = str(connection.execute(text("SHOW server_version")).scalar())
    return f"{capabilities_of(connection).name} {version}"


def _tls(connection: Connection, db: Database) -> str:
    """Describe the TLS of the driver's connection, which may end at a pooler."""
    if connection.dialect.name == "sqlite":
        return ""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.driver == "asyncpg":
        tls = driver._transport.get_extra_info("ssl_object")
        encryption = f"{tls.version()}, {tls.cipher()[0]}" if tls is not None else ""
    else:
        tls = driver.pgconn.ssl_in_use
        encryption = "in use" if tls else ""
    if not encryption:
        return "none"
    return f"{encryption}, {_verified(db, connection.dialect.driver)}"


def _verified(db: Database, driver: str) -> str:
    """Describe what the URL's parameters verify of the server's certificate."""
    parameters = {parameter.name: parameter.value for parameter in db.url.parameters}
    mode = parameters.get("sslmode") or parameters.get("ssl") or "prefer"
    if mode == "verify-full":
        verified = "certificate and host name verified"
    elif mode == "verify-ca" or (mode == "require" and "sslrootcert" in parameters):
        verified = "certificate verified, but not the host name"
    else:
        verified = "nothing verified"
    if parameters.get("channel_binding") == "require":
        bound = driver == "psycopg"
        verified += ", channel binding on" if bound else ", no channel binding in asyncpg"
    return verified


def _advice(db: Database, diagnosis: Diagnosis) -> list[str]:
    url = db.url
    parameters = {parameter.name: parameter.value for parameter in url.parameters}
    mode = parameters.get("sslmode") or parameters.get("ssl")
    advice = []
    if url.backend == "postgresql":
        local = not url.sync.url.host or url.sync.url.host in ("localhost", "127.0.0.1", "::1")
        if not local and mode not in ("verify-full", "verify-ca"):
            advice.append(
                "The server's certificate is not verified. Use sslmode=verify-full (with "
                "sslrootcert=FILE for a private CA)."
            )
        if url.neon and not url.pooled:
            advice.append(
                "In applications, use Neon's pooled host (-pooler in its name), which accepts more "
                "connections. Keep the direct host for migrations."
            )
    if db.is_pooled and not url.pooled:
        advice.append(
            "The server is behind a connection pooler. Add pool_mode=transaction to the URL to "
            "skip the detection, or pool_mode=session if each client connection keeps one server "
            "connection, which is faster since statements stay prepared."
        )
    if db.is_pooled and db.direct is url:
        advice.append(
            "Migrations must bypass the pooler. Set Database(direct_url=...) or "
            "DATABASE_URL_UNPOOLED."
        )
    if url.memory:
        advice.append("Use sqlite:///FILE.db to keep the data.")
    for check in diagnosis.checks:
        version = _version(check.server)
        oldest = OLDEST_VERSIONS[url.backend]
        if version and version < oldest:
            advice.append(
                f"{check.server.split(',')[0]} is older than {'.'.join(map(str, oldest))}, the "
                f"oldest supported version."
            )
            break
    return advice


def _version(server: str) -> tuple[int, ...]:
    words = server.replace(",", "").split()
    numbers = words[1].split(".") if len(words) > 1 else []
    return tuple(int(number) for number in numbers if number.isdigit())
