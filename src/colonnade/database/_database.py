"""``Database``: one URL, its engines for sync and async code, sessions and transactions."""

import asyncio
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary, finalize

from sqlalchemy import URL, Connection, Engine, MetaData, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.util import greenlet_spawn
from sqlmodel import Session, SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import _asyncpg, _retry, _sqlite
from colonnade.database._direct import NotDirect, is_watched, run_direct
from colonnade.database._failures import unreachable
from colonnade.database._secret import secret_of
from colonnade.database._sessions import SessionContext
from colonnade.database._targets import Target
from colonnade.database._urls import DatabaseURL
from colonnade.errors import DatabaseError, MissingDriverError

logger = logging.getLogger("colonnade.database")

DEFAULT_URL = "sqlite:///colonnade.db"
"""The database when neither the program nor DATABASE_URL names one."""

T = TypeVar("T")

IsolationLevel = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

_PACKAGES = {"psycopg": "psycopg", "asyncpg": "asyncpg", "aiosqlite": "aiosqlite"}


class Database:
    """A database, for sync and async code alike.

    Engines are made when they are first needed: one for sync code, and one for each event
    loop, which goes when the loop does.

    Args:
        url: Any URL that people paste; see ``docs/databases.md``. When it is None,
            ``DATABASE_URL`` of the environment, and when that is not set either,
            ``sqlite:///colonnade.db``, with a warning in the log.
        echo: Log every statement.
        pool_size: Connections kept open.
        max_overflow: Connections beyond those, closed after use.
        pool_timeout: Seconds to wait for a connection when all are in use.
        busy_timeout: Seconds to wait for another connection's write, on SQLite.

    Raises:
        DatabaseURLError: The URL cannot be understood.
    """

    def __init__(
        self,
        url: str | URL | None = None,
        *,
        echo: bool = False,
        pool_size: int = 10,
        max_overflow: int = 20,
        pool_timeout: float = 30.0,
        busy_timeout: float = _sqlite.BUSY_TIMEOUT,
    ) -> None:
        self.url = DatabaseURL.parse(url or _default_url())
        self._engine_args: dict[str, Any] = {
            "echo": echo,
            "pool_size": pool_size,
            "max_overflow": max_overflow,
            "pool_timeout": pool_timeout,
        }
        self._busy_timeout = busy_timeout
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._async_engines: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[AsyncEngine, AsyncGenerator[None]]
        ] = WeakKeyDictionary()
        self._memory: sqlite3.Connection | None = None
        self._finalizer: finalize[Any, Any]

    def __repr__(self) -> str:
        return f"Database({str(self.url)!r})"

    @cached_property
    def secret(self) -> bytes:
        """A secret that every process on this database has: a key for digests, 32 bytes."""
        return secret_of(self.url)

    @property
    def engine(self) -> Engine:
        """The engine for sync code.

        Raises:
            MissingDriverError: The sync driver is not installed.
        """
        with self._lock:
            if self._engine is None:
                target = self._prepared(self.url.sync)
                self._engine = create_engine(target.url, poolclass=QueuePool, **self._args(target))
                self._configure(self._engine)
                self._finalizer = finalize(self, self._engine.dispose)
            return self._engine

    @property
    def async_engine(self) -> AsyncEngine:
        """The engine of the running event loop.

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
        with self._lock:
            self._drop_closed_loops()
            found = self._async_engines.get(loop)
            if found is None:
                target = self._prepared(self.url.asynchronous)
                engine = create_async_engine(
                    target.url, poolclass=AsyncAdaptedQueuePool, **self._args(target)
                )
                self._configure(engine.sync_engine)
                found = self._async_engines[loop] = engine, _dispose_with_loop(engine)
            return found[0]

    def session(self) -> SessionContext:
        """A session: ``with db.session()`` a ``Session``, ``async with`` an ``AsyncSession``.

        Commit yourself; what is not committed is rolled back at the end. What was read stays
        readable after a commit.
        """
        return SessionContext(self)

    def get_session(self) -> Iterator[Session]:
        """A FastAPI dependency for sync endpoints: ``Depends(db.get_session)``."""
        with self.session() as session:
            yield session

    async def get_async_session(self) -> AsyncIterator[AsyncSession]:
        """A FastAPI dependency for async endpoints: ``Depends(db.get_async_session)``."""
        async with self.session() as session:
            yield session

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """``FastAPI(lifespan=db.lifespan)``: connects when the app starts, closes when it stops.

        Raises:
            UnreachableError: The database cannot be connected to; the message says why.
        """
        await self.ping_async()
        try:
            yield
        finally:
            await self.dispose_async()

    def create_all(self, metadata: MetaData | None = None) -> None:
        """Create the tables that are not there yet.

        Args:
            metadata: Whose; those of every ``SQLModel`` when it is None.
        """
        (metadata or SQLModel.metadata).create_all(self.engine)

    async def create_all_async(self, metadata: MetaData | None = None) -> None:
        """``create_all`` for async code."""
        async with self.async_engine.begin() as connection:
            await connection.run_sync((metadata or SQLModel.metadata).create_all)

    def transaction(
        self, work: Callable[[Session], T], *, isolation_level: IsolationLevel | None = None
    ) -> T:
        """Run a unit of work in a transaction, and again if the database asks for that.

        Args:
            work: Called with a session, and committed when it returns. It may be called
                several times, each in a transaction of its own, so it should do nothing that
                a rollback does not undo.
            isolation_level: The transaction's. On SQLite, ``SERIALIZABLE`` locks out other
                writers from the start.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or met a conflict every time.
        """
        pauses = _retry.delays()
        while True:
            try:
                with self.session() as session:
                    if isolation_level is not None:
                        session.connection(execution_options={"isolation_level": isolation_level})
                    result = work(session)
                    session.commit()
                    return result
            except SQLAlchemyError as error:
                pause = next(pauses, None) if _retry.can_run_again(error) else None
                if pause is None:
                    raise
            time.sleep(pause)

    async def transaction_async(
        self,
        work: Callable[[AsyncSession], Awaitable[T]],
        *,
        isolation_level: IsolationLevel | None = None,
    ) -> T:
        """``transaction`` for async code."""
        pauses = _retry.delays()
        while True:
            try:
                async with self.session() as session:
                    if isolation_level is not None:
                        options = {"isolation_level": isolation_level}
                        await session.connection(execution_options=options)
                    result = await work(session)
                    await session.commit()
                    return result
            except SQLAlchemyError as error:
                pause = next(pauses, None) if _retry.can_run_again(error) else None
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def run_async(self, work: Callable[[Connection], T], *, begin: bool = False) -> T:
        """Run Core statements from async code, in one go.

        On PostgreSQL they run on the event loop's own engine; on SQLite in one hop to a thread,
        since a driver that hops for each call is many times slower than SQLite itself.

        Args:
            work: Called with a connection. Without ``begin`` each of its statements is a
                transaction of its own, which costs one round trip; unless a log or a listener
                wants to see it, the driver runs it itself.
            begin: Run it in one transaction, and again if the database asks for that. On
                SQLite it locks out other writers from the start.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or met a conflict every time.
        """
        pauses = _retry.delays()
        while True:
            try:
                if self.url.backend == "sqlite":
                    return await asyncio.to_thread(self._run, work, begin)
                return await self._run_async(work, begin)
            except SQLAlchemyError as error:
                pause = next(pauses, None) if _retry.can_run_again(error) else None
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    async def _run_async(self, work: Callable[[Connection], T], begin: bool) -> T:
        engine = self.async_engine
        if not begin and not is_watched(engine.sync_engine, 0):
            with suppress(NotDirect):
                found: T = await greenlet_spawn(run_direct, engine.sync_engine, work)
                return found
        async with self._for_core(begin).connect() as connection:
            if not begin:
                return await connection.run_sync(work)
            async with connection.begin():
                return await connection.run_sync(work)

    def _run(self, work: Callable[[Connection], T], begin: bool) -> T:
        if not begin and not is_watched(self.engine, _sqlite.LISTENERS):
            with suppress(NotDirect):
                found: T = run_direct(self.engine, work)
                return found
        level = "SERIALIZABLE" if begin else "AUTOCOMMIT"
        with self.engine.execution_options(isolation_level=level).connect() as connection:
            if not begin:
                return work(connection)
            with connection.begin():
                return work(connection)

    def _for_core(self, begin: bool) -> AsyncEngine:
        engine = self.async_engine
        return engine if begin else engine.execution_options(isolation_level="AUTOCOMMIT")

    def ping(self) -> None:
        """Connect and ask for nothing.

        Raises:
            UnreachableError: The database cannot be connected to; the message says why.
        """
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise unreachable(error, self.url) from error

    async def ping_async(self) -> None:
        """``ping`` for async code."""
        if self.url.backend == "sqlite":
            # What keeps sqlite3 out keeps aiosqlite out; but when the latter fails to open a
            # file, its thread may outlive the event loop, and complain of that.
            await asyncio.to_thread(self.ping)
        try:
            async with self.async_engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise unreachable(error, self.url) from error

    def dispose(self) -> None:
        """Close the connections of sync code. A database in memory keeps what it holds."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            self._finalizer.detach()
            if self.url.backend == "sqlite":
                _optimize(engine)
            engine.dispose()

    async def dispose_async(self) -> None:
        """Close the connections of the running event loop, and those of sync code."""
        with self._lock:
            found = self._async_engines.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found[1].aclose()
            _waiting[asyncio.get_running_loop()].remove(found[1])
        await asyncio.to_thread(self.dispose)

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
            connect_args.setdefault("timeout", self._busy_timeout)
        return {**self._engine_args, **target.engine_args, "connect_args": connect_args}

    def _configure(self, engine: Engine) -> None:
        if self.url.backend == "sqlite":
            _sqlite.configure(engine, memory=self.url.memory)
        elif engine.driver == "asyncpg":
            _asyncpg.configure(engine)

    def _drop_closed_loops(self) -> None:
        """Forget the engines of loops that were closed without a word."""
        for loop, (engine, _) in list(self._async_engines.items()):
            if loop.is_closed():
                del self._async_engines[loop]
                engine.sync_engine.dispose(close=False)


_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, list[AsyncGenerator[None]]] = (
    WeakKeyDictionary()
)


def _default_url() -> str:
    url = os.environ.get("DATABASE_URL")
    if not url:
        logger.warning("DATABASE_URL is not set: using %s", DEFAULT_URL)
        return DEFAULT_URL
    return url


def _dispose_with_loop(engine: AsyncEngine) -> AsyncGenerator[None]:
    """Close an engine's connections when its event loop ends.

    An event loop closes the async generators that were started in it before it goes
    (``loop.shutdown_asyncgens``, which ``asyncio.run`` and every runner calls), so one that
    waits is told in time.
    """

    async def wait() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await engine.dispose()

    generator = wait()
    with suppress(StopIteration):
        generator.__anext__().send(None)
    # Were it collected with its Database, the loop would close it halfway through its own end.
    _waiting.setdefault(asyncio.get_running_loop(), []).append(generator)
    return generator


def _optimize(engine: Engine) -> None:
    """Have SQLite refresh what its planner knows: https://sqlite.org/pragma.html."""
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA optimize")
    except SQLAlchemyError:
        logger.debug("PRAGMA optimize failed", exc_info=True)
