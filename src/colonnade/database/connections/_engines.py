"""``Engines``: what a database is reached by, made when it is first needed."""

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
    AsyncPatientPool,
    Connector,
    PatientPool,
    connect_patiently,
    refuse_stale,
)
from colonnade.database.connections._driver_config import Target
from colonnade.database.connections._liveness import RECYCLE
from colonnade.database.connections._loop_engine import LoopEngine
from colonnade.database.connections._poolers import Pooler
from colonnade.database.connections._session_limit import ConnectionLimit
from colonnade.database.connections._urls import DatabaseURL
from colonnade.database.replicas._outages import Outage
from colonnade.database.statements import _sqlite, _telemetry
from colonnade.database.statements._statement_logging import StatementLogging, tell_statements
from colonnade.database.statements._statement_timeout import limit_statements, translate_timeouts
from colonnade.database.statements._threads import Threads
from colonnade.errors import DatabaseError, MissingDriverError

logger = logging.getLogger("colonnade.database")

GRACE = 5.0
"""Seconds that statements in threads have to end, when they were cancelled, before the connections
that are not in use are closed: those in use would be left to the garbage collector."""

_PACKAGES = {"psycopg": "psycopg", "asyncpg": "asyncpg", "aiosqlite": "aiosqlite"}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the engines of a Database are made with; see there."""

    echo: bool
    pool_size: int
    max_overflow: int
    pool_timeout: float
    busy_timeout: float
    statement_timeout: float | None
    telling: StatementLogging
    telemetry: bool | None

    def engine_args(self, backend: Backend) -> dict[str, Any]:
        """What ``create_engine`` is given."""
        return {
            "pool_recycle": RECYCLE if backend == "postgresql" else -1,
            "echo": self.echo,
            "pool_use_lifo": True,  # the last used has the statements prepared; others may age
            "pool_size": self.pool_size,
            "max_overflow": self.max_overflow,
            "pool_timeout": self.pool_timeout,
        }


class Engines:
    """One URL's engine for sync code, and one for each event loop, which goes when that does.

    Args:
        url: The database.
        options: What each engine is made with.

    Attributes:
        threads: Those in which async code has SQLite's statements run.
        writer: The one in which it has those run that may write: more would wait for SQLite's
            one lock, and reads for them.
        connection_limit: Holds back the sessions of sync endpoints until they can be connected.
        patience: Seconds in which a connection, or a thread, must be there.
        outage: What is known of whether the server can be reached.
        pooler: What is known of a pooler before it.
    """

    def __init__(self, url: DatabaseURL, options: EngineOptions) -> None:
        self.url = url
        self.threads = Threads()
        self.writer = Threads(most=1)
        self.patience = options.pool_timeout
        pool = {**options.engine_args(url.backend), **url.sync.engine_args}
        self.connection_limit = ConnectionLimit(
            pool["pool_size"], pool["max_overflow"], options.pool_timeout
        )
        self.outage = Outage(url)
        self.pooler = Pooler(url)
        self._options = options
        self._lock = threading.Lock()
        self._sync: Engine | None = None
        self._pattern: Engine | None = None
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, LoopEngine] = WeakKeyDictionary()
        self._memory: sqlite3.Connection | None = None
        self._finalizer: finalize[Any, Any]

    @cached_property
    def secret(self) -> bytes:
        """A secret that every process on this database has."""
        return secret_of(self.url)

    @cached_property
    def has_secret(self) -> bool:
        """Whether that is one which nobody can derive from the URL alone."""
        return has_secret(self.url)

    @property
    def sync(self) -> Engine:
        """The engine for sync code.

        Raises:
            MissingDriverError: The sync driver is not installed.
        """
        with self._lock:
            if self._sync is None:
                target = self._prepared(self.url.sync)
                self._sync = create_engine(target.url, poolclass=PatientPool, **self._args(target))
                if self.url.backend == "sqlite":
                    _sqlite.begin_before_writes(self._sync)
                else:
                    self._follow_server(self._sync)
                    limit_statements(self._sync, self._options.statement_timeout, self.pooler)
                self._watch(self._sync)
                self._finalizer = finalize(self, self._sync.dispose)
            return self._sync

    def of_loop(self) -> LoopEngine:
        """What the running event loop has.

        Raises:
            DatabaseError: No event loop is running.
            MissingDriverError: The async driver is not installed.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise DatabaseError(
                "No event loop is running. In sync code, use `with db.session()`."
            ) from None
        loop_engine = self._loops.get(loop)
        if loop_engine is not None:
            return loop_engine
        with self._lock:
            self._drop_closed_loops()
            if self._pattern is None:
                self._pattern = self._made_pattern()
            engine = AsyncEngine(self._like(self._pattern))
            loop_engine = self._loops[loop] = LoopEngine(engine, self._options.pool_size)
        return loop_engine

    def made(self) -> list[Engine]:
        """The engines there are, the sync sides of async ones."""
        with self._lock:
            of_loops = [loop_engine.engine.sync_engine for loop_engine in self._loops.values()]
            return of_loops if self._sync is None else [self._sync, *of_loops]

    def dispose(self) -> None:
        """Close the connections of sync code. A database in memory keeps what it holds."""
        with self._lock:
            engine, self._sync = self._sync, None
        for threads in (self.threads, self.writer):
            threads.stop(wait=GRACE)
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

    def _made_pattern(self) -> Engine:
        """What the engines of event loops are made like; it never connects itself."""
        target = self._prepared(self.url.asynchronous)
        engine = create_async_engine(
            target.url, poolclass=AsyncPatientPool, **self._args(target)
        ).sync_engine
        if engine.driver == "asyncpg":
            _asyncpg.configure(engine, self.url.keepalives)
            self._follow_server(engine)
        return engine

    def _follow_server(self, engine: Engine) -> None:
        """Have an engine wait for a server that sleeps, and notice what it closes."""
        limit = self._options.statement_timeout
        patience = self._options.pool_timeout
        connect_patiently(engine, Connector(self.outage, self.pooler, patience, limit))
        refuse_stale(engine, self.outage)
        translate_timeouts(engine)

    def _like(self, pattern: Engine) -> Engine:
        """An engine with its own pool, and what SQLAlchemy has learnt with the others.

        The dialect, which asks the server for its version and more when it first connects, and
        the statements that are compiled: a test may have its own event loop.
        """
        engine = Engine(
            pattern.pool.recreate(), pattern.dialect, pattern.url, echo=self._options.echo
        )
        share_compiled_cache(engine, pattern)
        if self.url.backend == "sqlite":
            _sqlite.begin_before_writes(engine)
        else:
            limit_statements(engine, self._options.statement_timeout, self.pooler)
        self._watch(engine)
        return engine

    def _watch(self, engine: Engine) -> None:
        """Have told of an engine's statements what is to be told of them."""
        if self._options.telling:
            tell_statements(engine, self._options.telling, self.url)
        telemetry = self._options.telemetry
        if _telemetry.is_set_up() if telemetry is None else telemetry:
            _telemetry.instrument(engine)

    def _prepared(self, target: Target) -> Target:
        package = _PACKAGES.get(target.url.get_driver_name())
        if package is not None and find_spec(package) is None:
            raise MissingDriverError(
                f"{self.url.backend} needs the driver {package}, which is not installed: "
                f"pip install 'colonnade[{self.url.backend}]'"
            )
        if self.url.memory and self._memory is None:
            # A database in memory is there as long as a connection to it is.
            name = f"{target.url.database}?vfs=memdb"
            self._memory = sqlite3.connect(name, uri=True, check_same_thread=False)
            finalize(self, self._memory.close)
        return target

    def _args(self, target: Target) -> dict[str, Any]:
        connect_args = dict(target.connect_args)
        if self.url.backend == "sqlite":
            connect_args.setdefault("timeout", self._options.busy_timeout)
            kind = _sqlite.MemoryConnection if self.url.memory else _sqlite.FileConnection
            connect_args["factory"] = partial(kind, self._options.statement_timeout)
        elif target.url.get_driver_name() == "asyncpg":
            connect_args["async_creator_fn"] = _asyncpg.Opening
        return {
            **self._options.engine_args(self.url.backend),
            **target.engine_args,
            "connect_args": connect_args,
        }

    def _drop_closed_loops(self) -> None:
        """Forget the engines of loops that were closed without a word."""
        for loop, loop_engine in list(self._loops.items()):
            if loop.is_closed():
                del self._loops[loop]
                loop_engine.engine.sync_engine.dispose(close=False)


def _optimize(engine: Engine) -> None:
    """Have SQLite refresh what its planner knows: https://sqlite.org/pragma.html."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA optimize")
    except SQLAlchemyError:
        logger.debug("PRAGMA optimize failed", exc_info=True)
