"""What a URL means, and what answers there: the findings behind ``colonnade doctor``."""

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

ROUNDS = 5
"""Statements timed; the median is reported."""

OLDEST = {"sqlite": (3, 36, 0), "postgresql": (15,)}
"""The oldest versions supported: SQLite 3.36 has the ``memdb`` that is shared by name."""


@dataclass
class Way:
    """How the database answered one of the drivers.

    Attributes:
        name: ``sync`` or ``async``.
        driver: The driver's package.
        error: Why it could not be connected to; empty if it could.
        server: The server and its version.
        tls: What secures the connection, and what of it was verified; empty for a file.
        connect_ms: Milliseconds for the first connection.
        round_trip_ms: Milliseconds for a statement, the median of ``ROUNDS``.
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
    """What was found.

    Attributes:
        url: The URL, without its password.
        kind: What it means: a file, in memory, pooled or direct.
        parameters: What became of each parameter.
        ways: How it answered, sync and async.
        advice: What to change.
    """

    url: str
    kind: str
    parameters: tuple[Parameter, ...]
    ways: list[Way] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def healthy(self) -> bool:
        """Whether both drivers connected."""
        return all(not way.error for way in self.ways)


async def diagnose(url: str | Database | None = None) -> Diagnosis:
    """Understand a URL, connect sync and async, and say what to change.

    Args:
        url: The URL, or a Database that has one; DATABASE_URL of the environment when it is None.

    Raises:
        DatabaseURLError: The URL cannot be understood.
    """
    db = url if isinstance(url, Database) else Database(url)
    missing_tables = _would_be_made(db)
    diagnosis = Diagnosis(str(db.url), _kind(db), db.url.parameters)
    try:
        diagnosis.ways.append(await asyncio.to_thread(_sync_way, db))
        diagnosis.ways.append(await _async_way(db))
        diagnosis.kind = _kind(db)
    finally:
        await db.dispose_async()
        for path in missing_tables:
            path.unlink(missing_ok=True)
    if missing_tables and diagnosis.healthy:
        diagnosis.advice.append("The file does not exist yet. It is created on first use.")
    diagnosis.advice.extend(_advice(db, diagnosis))
    return diagnosis


def _would_be_made(db: Database) -> list[Path]:
    """The files that connecting makes: to look at a database is not to make one."""
    file = db.url.file
    if file is None or file.exists():
        return []
    return [Path(f"{file}{end}") for end in ("", "-wal", "-shm")]


def _kind(db: Database) -> str:
    if db.url.memory:
        return "an SQLite database in memory, which ends with the process"
    if db.url.file is not None:
        return f"the SQLite file {db.url.file.absolute()}"
    server = "Neon" if db.url.neon else "PostgreSQL"
    if not db.is_pooled:
        return f"{server}, direct"
    detected = "" if db.url.pooled else ", detected on connection"
    return f"{server}, through a pooler in transaction mode{detected}"


def _sync_way(db: Database) -> Way:
    way = Way("sync", db.url.sync.url.get_driver_name())
    try:
        started = time.perf_counter()
        db.ping()
        way.connect_ms = _since(started)
        with db.engine.connect() as connection:
            way.server, way.tls = _server(connection), _tls(connection, db)
            connection.rollback()
            times = []
            for _ in range(ROUNDS):
                started = time.perf_counter()
                connection.execute(text("SELECT 1"))
                times.append(_since(started))
            way.round_trip_ms = median(times)
    except DatabaseError as error:
        way.error = str(error)
    return way


async def _async_way(db: Database) -> Way:
    way = Way("async", db.url.asynchronous.url.get_driver_name())
    try:
        started = time.perf_counter()
        await db.ping_async()
        way.connect_ms = _since(started)
        async with db.async_engine.connect() as connection:
            way.server = await connection.run_sync(_server)
            way.tls = await connection.run_sync(_tls, db)
            await connection.rollback()
            way.round_trip_ms = await _median_ms(connection)
    except DatabaseError as error:
        way.error = str(error)
    return way


async def _median_ms(connection: AsyncConnection) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await connection.execute(text("SELECT 1"))
        times.append(_since(started))
    return median(times)


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _server(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        return f"SQLite {sqlite3.sqlite_version}, journal mode {mode}"
    version = str(connection.execute(text("SHOW server_version")).scalar())
    capabilities = capabilities_of(connection)
    return f"{capabilities.name} {version}"


def _tls(connection: Connection, db: Database) -> str:
    """What secures the way to the server, as the driver itself has it: a pooler has its own."""
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
    """What of the server's certificate was verified, by what was asked for."""
    parameters = {parameter.name: parameter.value for parameter in db.url.parameters}
    mode = parameters.get("sslmode") or parameters.get("ssl") or "prefer"
    if mode == "verify-full":
        verified = "its certificate and its name verified"
    elif mode == "verify-ca" or (mode == "require" and "sslrootcert" in parameters):
        verified = "its certificate verified, not its name"
    else:
        verified = "nothing verified"
    if parameters.get("channel_binding") == "require":
        bound = driver == "psycopg"
        verified += ", bound to the password" if bound else ", not bound: asyncpg cannot"
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
                "The server's certificate is not verified. Use sslmode=verify-full (and "
                "sslrootcert=FILE if its CA is your own)."
            )
        if url.neon and not url.pooled:
            advice.append(
                "For an application, Neon's pooled host (-pooler in its name) takes more "
                "connections; keep the direct one for migrations."
            )
    if db.is_pooled and not url.pooled:
        advice.append(
            "The server is behind a pooler. Set pool_mode=transaction in the URL to skip "
            "detection, or pool_mode=session if the pooler keeps a server connection for "
            "each client, which is faster because statements stay prepared."
        )
    if db.is_pooled and db.direct is url:
        advice.append(
            "Migrations need the server itself: Database(direct_url=...), or DATABASE_URL_UNPOOLED."
        )
    if url.memory:
        advice.append("Use sqlite:///FILE.db to keep what is stored.")
    for way in diagnosis.ways:
        version = _version(way.server)
        oldest = OLDEST[url.backend]
        if version and version < oldest:
            advice.append(
                f"{way.server.split(',')[0]} is older than {'.'.join(map(str, oldest))}, the "
                f"oldest that is supported."
            )
            break
    return advice


def _version(server: str) -> tuple[int, ...]:
    words = server.replace(",", "").split()
    numbers = words[1].split(".") if len(words) > 1 else []
    return tuple(int(number) for number in numbers if number.isdigit())
