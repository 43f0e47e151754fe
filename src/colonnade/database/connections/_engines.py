"""``Engines``: the engines of one database, created when they are first needed."""

import asyncio
import logging
import sqlite3
import threading
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from typing import Any
from weakref import WeakKeyDictionary, finalize

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from colonnade._sqlalchemy_compat import share_compiled_cache
from colonnade.backends import Backend
from colonnade.database._secret import has_secret, secret_of
from colonnade.database.connections import _asyncpg
from colonnade.database.connections._connector import (
    AsyncDeadlinePool,
    Connector,
    DeadlinePool,
    connect_with_retries,
    replace_closed_connections,
)
from colonnade.database.connections._driver_config import DriverConfig
from colonnade.database.connections._liveness import POOL_RECYCLE
from colonnade.database.connections._loop_engine import LoopEngine
from colonnade.database.connections._poolers import Pooler
from colonnade.database.connections._session_limit import SessionLimit
from colonnade.database.connections._urls import DatabaseURL
from colonnade.database.replicas._outages import Outage
from colonnade.database.statements import _sqlite, _telemetry
from colonnade.database.statements._impossible_values import translate_overflows
from colonnade.database.statements._missing_tables import note_missing_tables
from colonnade.database.statements._short_reads import ShortReads
from colonnade.database.statements._statement_logging import StatementLogging, log_statements
from colonnade.database.statements._statement_timeout import limit_statements, translate_timeouts
from colonnade.database.statements._threads import Threads
from colonnade.errors import DatabaseError, MissingDriverError

logger = logging.getLogger("colonnade.database")

STOP_TIMEOUT = 5.0
"""Seconds to wait for cancelled statements in threads before closing the idle connections.
Connections that are still in use would be left to the garbage collector."""

_DRIVER_PACKAGES = {"psycopg": "psycopg", "asyncpg": "asyncpg", "aiosqlite": "aiosqlite"}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options of a Database's engines; see ``Database``."""

    echo: bool
    pool_size: int
    max_overflow: int
    pool_timeout: float
    busy_timeout: float
    statement_timeout: float | None
    statement_logging: StatementLogging
    telemetry: bool | None

    def engine_args(self, backend: Backend) -> dict[str, Any]:
        """Return the arguments of ``create_engine``."""
        return {
            "pool_recycle": POOL_RECYCLE if backend == "postgresql" else -1,
            "echo": self.echo,
            "pool_use_lifo": True,  # it has the statements prepared; idle ones age out
            "pool_size": self.pool_size,
            "max_overflow": self.max_overflow,
            "pool_timeout": self.pool_timeout,
        }


class Engines:
    """One engine for sync code and one for each event loop, disposed of with the loop.

    Args:
        url: The database.
        options: The options of every engine.

    Attributes:
        threads: Runs SQLite's reads for async code.
        writer: Runs SQLite's writes for async code, in one thread: with more, writers would wait
            for SQLite's single lock and keep reads from the threads.
        session_limit: Makes sync endpoints wait until a connection is free for their session.
        pool_timeout: Seconds to wait for a connection or a thread.
        outage: Tracks whether the server can be reached.
        pooler: Tracks whether a connection pooler sits in front of the server.
    """

    def __init__(self, url: DatabaseURL, options: EngineOptions) -> None:
        self.url = url
        self.threads = Threads()
        self.writer = Threads(max_threads=1)
        self.pool_timeout = options.pool_timeout
        pool = {**options.engine_args(url.backend), **url.sync.engine_args}
        self.session_limit = SessionLimit(
            pool["pool_size"], pool["max_overflow"], options.pool_timeout
        )
        self.short_reads = ShortReads()
        self.outage = Outage(url)
        self.pooler = Pooler(url)
        self._options = options
        self._lock = threading.Lock()
        self._sync: Engine | None = None
        self._template: Engine | None = None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopEngine] = WeakKeyDictionary()
        self._memory: sqlite3.Connection | None = None
        self._finalizer: finalize[Any, Any]

    @cached_property
    def secret(self) -> bytes:
        """A secret that all processes using this database share."""
        return secret_of(self.url)

    @cached_property
    def has_secret(self) -> bool:
        """Whether the secret cannot be derived from the URL alone."""
        return has_secret(self.url)

    @property
    def sync(self) -> Engine:
        """The engine for sync code.

        Raises:
            MissingDriverError: The sync driver is not installed.
        """
        with self._lock:
            if self._sync is None:
                config = self._connectable(self.url.sync)
                self._sync = create_engine(config.url, poolclass=DeadlinePool, **self._args(config))
                if self.url.backend == "sqlite":
                    _sqlite.begin_before_writes(self._sync)
                else:
                    self._handle_outages(self._sync)
                    limit_statements(self._sync, self._options.statement_timeout, self.pooler)
                self._instrument(self._sync)
                self._finalizer = finalize(self, _close, self._sync, self.short_reads)
            return self._sync

    def for_running_loop(self) -> LoopEngine:
        """Return the engine of the running event loop.

        Raises:
            DatabaseError: No event loop is running.
            MissingDriverError: The async driver is not installed.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise DatabaseError(
                "The async engine needs a running event loop, and there is none. In sync code, use "
                "`with db.session()` or `db.engine`."
            ) from None
        loop_engine = self._loops.get(loop)
        if loop_engine is not None:
            return loop_engine
        with self._lock:
            self._drop_closed_loops()
            if self._template is None:
                self._template = self._create_template()
            engine = AsyncEngine(self._copy_of(self._template))
            loop_engine = LoopEngine(engine, self._options.pool_size)
            self._loops[loop] = loop_engine
        return loop_engine

    def existing(self) -> list[Engine]:
        """Return the engines created so far: the sync one, and the sync sides of the async ones."""
        with self._lock:
            async_engines = [loop_engine.engine.sync_engine for loop_engine in self._loops.values()]
            return async_engines if self._sync is None else [self._sync, *async_engines]

    def dispose(self) -> None:
        """Close the connections of sync code. An in-memory database keeps its data."""
        with self._lock:
            engine, self._sync = self._sync, None
        for threads in (self.threads, self.writer):
            threads.stop(wait=STOP_TIMEOUT)
        self.short_reads.close()
        if engine is not None:
            self._finalizer.detach()
            if self.url.backend == "sqlite":
                _optimize(engine)
            engine.dispose()

    async def dispose_async(self) -> None:
        """Close the connections of the running event loop, and those of sync code."""
        with self._lock:
            loop_engine = self._loops.pop(asyncio.get_running_loop(), None)
        if loop_engine is not None:
            await loop_engine.aclose()
        await asyncio.to_thread(self.dispose)

    def _create_template(self) -> Engine:
        """Create the engine that those of the event loops are copied from. It never connects."""
        config = self._connectable(self.url.asynchronous)
        engine = create_async_engine(
            config.url, poolclass=AsyncDeadlinePool, **self._args(config)
        ).sync_engine
        if engine.driver == "asyncpg":
            _asyncpg.configure(engine, self.url.keepalives)
            self._handle_outages(engine)
        return engine

    def _handle_outages(self, engine: Engine) -> None:
        """Make an engine retry connecting, replace closed connections and report timeouts."""
        limit = self._options.statement_timeout
        timeout = self._options.pool_timeout
        connect_with_retries(engine, Connector(self.outage, self.pooler, timeout, limit))
        replace_closed_connections(engine, self.outage)
        translate_timeouts(engine)

    def _copy_of(self, template: Engine) -> Engine:
        """Create an engine with its pool, sharing the template's dialect and compiled statements.

        A new dialect would query the server's version and settings again, and statements would be
        compiled again, for every event loop; a test suite may start one per test.
        """
        engine = Engine(
            template.pool.recreate(), template.dialect, template.url, echo=self._options.echo
        )
        share_compiled_cache(engine, template)
        if self.url.backend == "sqlite":
            _sqlite.begin_before_writes(engine)
        else:
            limit_statements(engine, self._options.statement_timeout, self.pooler)
        self._instrument(engine)
        return engine

    def _instrument(self, engine: Engine) -> None:
        """Add statement logging and telemetry to an engine, as configured; explain its errors."""
        note_missing_tables(engine)
        translate_overflows(engine)
        if self._options.statement_logging:
            log_statements(engine, self._options.statement_logging, self.url)
        enabled = self._options.telemetry
        if _telemetry.is_set_up() if enabled is None else enabled:
            _telemetry.instrument(engine)

    def _connectable(self, config: DriverConfig) -> DriverConfig:
        """Check that the driver is installed, and keep an in-memory database alive."""
        package = _DRIVER_PACKAGES.get(config.url.get_driver_name())
        if package is not None and find_spec(package) is None:
            raise MissingDriverError(
                f"{self.url} needs the driver {package}, which is not installed. Run "
                f"pip install 'colonnade[{self.url.backend}]'."
            )
        if self.url.memory and self._memory is None:
            # An in-memory database lives as long as any connection to it.
            name = f"{config.url.database}?vfs=memdb"
            self._memory = sqlite3.connect(name, uri=True, check_same_thread=False)
            finalize(self, self._memory.close)
        return config

    def _args(self, config: DriverConfig) -> dict[str, Any]:
        connect_args = dict(config.connect_args)
        if self.url.backend == "sqlite":
            connect_args.setdefault("timeout", self._options.busy_timeout)
            kind = _sqlite.MemoryConnection if self.url.memory else _sqlite.FileConnection
            connect_args["factory"] = partial(kind, self._options.statement_timeout)
        elif config.url.get_driver_name() == "asyncpg":
            connect_args["async_creator_fn"] = _asyncpg.LazyConnection
        return {
            **self._options.engine_args(self.url.backend),
            **config.engine_args,
            "connect_args": connect_args,
        }

    def _drop_closed_loops(self) -> None:
        """Dispose of the engines of loops that closed without shutting down their generators."""
        for loop, loop_engine in list(self._loops.items()):
            if loop.is_closed():
                del self._loops[loop]
                loop_engine.engine.sync_engine.dispose(close=False)


def _close(engine: Engine, short_reads: ShortReads) -> None:
    """Close the connections of Engines that nothing refers to any more."""
    short_reads.close()
    engine.dispose()


def _optimize(engine: Engine) -> None:
    """Let SQLite refresh its planner statistics: https://sqlite.org/pragma.html."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA optimize")
    except SQLAlchemyError:
        logger.debug("PRAGMA optimize failed", exc_info=True)
