"""``Database``: engines, sessions and transactions for one URL, in sync and async code."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import replace
from functools import partial
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import _health
from colonnade.database._frozen_gc import frozen_gc
from colonnade.database._health import Health
from colonnade.database._metadata import merged, metadatas
from colonnade.database._schema import create_missing
from colonnade.database.connections._connect_errors import translate_connect_errors
from colonnade.database.connections._engines import EngineOptions, Engines
from colonnade.database.connections._urls import DatabaseURL
from colonnade.database.replicas._read_router import ReadRouter
from colonnade.database.replicas._replicas import CONNECT_TIMEOUT, NO_REPLICAS, Replicas
from colonnade.database.replicas._wal_position import format_lsn, parse_lsn
from colonnade.database.statements import _sqlite
from colonnade.database.statements._retry import Attempts
from colonnade.database.statements._sessions import SessionContext
from colonnade.database.statements._sqlite_executor import run_sqlite
from colonnade.database.statements._statement_limit import statement_timeout
from colonnade.database.statements._statement_logging import StatementLogging
from colonnade.database.statements._transactions import (
    IsolationLevel,
    run_transaction,
    run_transaction_async,
)
from colonnade.errors import DatabaseError, DatabaseURLError

logger = logging.getLogger("colonnade.database")

DEFAULT_URL = "sqlite:///colonnade.db"
"""The database if neither the program nor ``DATABASE_URL`` names one."""

T = TypeVar("T")


class Database:
    """A database, for sync and async code alike.

    Engines are created when they are first needed: one for sync code, and one for each event
    loop, which is disposed of with the loop.

    Args:
        url: A URL in any common form; see ``docs/databases.md``. If it is None, the environment
            variable ``DATABASE_URL`` applies. If that is not set either, ``sqlite:///colonnade.db``
            applies, with a warning in the log.
        echo: Log every statement, as in ``create_engine``.
        pool_size: Connections that the pool keeps open.
        max_overflow: Connections that the pool opens beyond those, and closes after use.
        pool_timeout: Seconds to wait for a connection. This includes the wait for a free one and
            the attempts to open one on a server that sleeps, restarts or fails over.
        busy_timeout: Seconds to wait for another connection's write lock, on SQLite.
        statement_timeout: Seconds that a statement may take; None for the server's limit. See
            ``docs/reliability.md`` for how a statement that takes longer ends.
        replicas: URLs of read replicas, which serve the reads of Resources and of
            ``session(read_only=True)`` in turn.
        max_replica_lag: Seconds that a replica may be behind the primary. One that is further
            behind serves no reads.
        direct_url: The URL of the server itself, if ``url`` leads to a pooler in transaction mode.
            Migrations and anything else that needs a session use it. For Neon it is derived from
            ``url``. If ``url`` comes from the environment, ``DATABASE_URL_UNPOOLED`` or
            ``DIRECT_URL`` applies by default.
        log_statements: Log each statement to ``colonnade.statements``, with its duration and
            without its values.
        slow_statement: Seconds from which a statement is logged there as a warning.
        explain_slow: Log the query plan of slow statements.
        telemetry: Whether to emit OpenTelemetry spans for statements. By default, this is done if
            the instrumentation of SQLAlchemy is installed and a tracer provider is set by the time
            of the first statement.
        freeze_gc: Whether ``lifespan`` excludes all objects that exist when the app has started
            from garbage collection (``gc.freeze``), until it stops. A collection then takes
            milliseconds less, which the slowest requests would have waited for.

    Raises:
        DatabaseURLError: The URL is invalid.

    Examples:
        ```python
        import asyncio

        from colonnade import Database, Field, SQLModel, select


        class Task(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            title: str


        db = Database("sqlite:///tasks.db")
        db.create_all()
        with db.session() as session:
            session.add(Task(title="Write"))
            session.commit()


        async def titles() -> list[str]:
            async with db.session() as session:
                return [task.title for task in await session.exec(select(Task))]


        print(asyncio.run(titles()))  # ['Write']
        ```
    """

    def __init__(
        self,
        url: str | URL | DatabaseURL | None = None,
        *,
        echo: bool = False,
        pool_size: int = 10,
        max_overflow: int = 20,
        pool_timeout: float = 15.0,
        busy_timeout: float = _sqlite.BUSY_TIMEOUT,
        statement_timeout: float | None = None,
        replicas: Sequence[str | URL | DatabaseURL] = (),
        max_replica_lag: float = 10.0,
        direct_url: str | URL | DatabaseURL | None = None,
        log_statements: bool = False,
        slow_statement: float | None = None,
        explain_slow: bool = False,
        telemetry: bool | None = None,
        freeze_gc: bool = False,
    ) -> None:
        if statement_timeout is not None and not statement_timeout > 0:
            raise ValueError(
                f"statement_timeout must be greater than 0 seconds, not {statement_timeout}"
            )
        self._options = EngineOptions(
            echo=echo,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout,
            busy_timeout=busy_timeout,
            statement_timeout=statement_timeout,
            statement_logging=StatementLogging(log_statements, slow_statement, explain_slow),
            telemetry=telemetry,
        )
        self._engines = Engines(DatabaseURL.parse(url or _default_url()), self._options)
        self._read_router = ReadRouter(self._engines, self._replicas_of(replicas, max_replica_lag))
        direct = direct_url or (_direct_url() if url is None else None)
        self._direct = None if direct is None else DatabaseURL.parse(direct)
        self._is_overridden = False
        self._freezes_gc = freeze_gc

    def _replicas_of(self, replicas: Sequence[str | URL | DatabaseURL], max_lag: float) -> Replicas:
        if replicas and self.url.backend == "sqlite":
            raise DatabaseURLError(
                f"SQLite has no replicas: use replicas= with a PostgreSQL URL, not {self.url}."
            )
        options = replace(
            self._options, pool_timeout=min(self._options.pool_timeout, CONNECT_TIMEOUT)
        )
        engines = [Engines(DatabaseURL.parse(replica), options) for replica in replicas]
        for replica in engines:
            if replica.url.backend == "sqlite":
                raise DatabaseURLError(
                    f"The replica {replica.url} is not a PostgreSQL URL, but the primary is."
                )
        return Replicas(engines, max_lag)

    def __repr__(self) -> str:
        return f"Database({str(self.url)!r})"

    @property
    def url(self) -> DatabaseURL:
        """The URL; ``str()`` of it leaves the password out."""
        return self._engines.url

    @property
    def direct(self) -> DatabaseURL:
        """The URL of the server itself, bypassing a pooler where that is possible."""
        if self._direct is None or self._is_overridden:
            return self.url.direct
        return self._direct

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler in transaction mode is known. The first connection may reveal one."""
        return self._engines.pooler.is_detected

    @property
    def secret(self) -> bytes:
        """A 32-byte key for digests that all processes using this database share."""
        return self._engines.secret

    @property
    def has_secret(self) -> bool:
        """Whether ``secret`` cannot be derived from the URL alone."""
        return self._engines.has_secret

    @property
    def engine(self) -> Engine:
        """The engine for sync code.

        Raises:
            MissingDriverError: The sync driver is not installed.
        """
        return self._engines.sync

    @property
    def async_engine(self) -> AsyncEngine:
        """The engine of the running event loop.

        Raises:
            DatabaseError: No event loop is running.
            MissingDriverError: The async driver is not installed.
        """
        return self._engines.for_running_loop().engine

    def has(self, engine: Engine) -> bool:
        """Whether an engine, or the sync side of an async one, belongs to this database.

        Args:
            engine: The engine.

        Returns:
            Whether a session or connection of the engine uses this database.
        """
        return any(
            engine.pool is existing.pool
            for engines in self._all_engines()
            for existing in engines.existing()
        )

    @property
    def replicas(self) -> list[DatabaseURL]:
        """The URLs of the read replicas."""
        return self._read_router.replicas.urls

    @contextmanager
    def following(self, position: str | None = None) -> Iterator[None]:
        """Read in this block only from servers that have reached a position.

        This lets a client read its own writes over several requests: see ``written_position``. The
        writes of the same task, and of the tasks it starts, are always visible to its reads.

        Args:
            position: The result of ``written_position``. None or an invalid text has no effect.
        """
        with self._read_router.following(parse_lsn(position)):
            yield

    @property
    def is_followed(self) -> bool:
        """Whether the code runs inside a ``following`` block."""
        return self._read_router.is_followed

    async def written_position(self) -> str | None:
        """Return the primary's log position after this task's writes; None if it wrote nothing.

        The position looks like ``0/3000148``. If the primary does not answer within a second, it is
        one that no replica reaches, with which later reads go to the primary.

        Returns:
            The position, for ``following``; None if the task wrote nothing.
        """
        position = await self._read_router.written_lsn_async()
        return None if position is None else format_lsn(position)

    @contextmanager
    def using(self, url: str | URL | DatabaseURL) -> Iterator[Self]:
        """Use another database in this block, for every session, Resource and statement.

        This is meant for tests. ``dispose()`` does not close the block's connections, so that an
        application that starts and stops for each test need not reconnect each time. They are
        closed at the end of the block.

        Args:
            url: The URL of the other database.

        Yields:
            This Database.

        Raises:
            DatabaseURLError: The URL is invalid.
        """
        previous = self._engines, self._read_router, self._is_overridden
        override = Engines(DatabaseURL.parse(url), self._options)
        self._engines, self._read_router, self._is_overridden = (
            override,
            ReadRouter(override, NO_REPLICAS),
            True,
        )
        try:
            yield self
        finally:
            self._engines, self._read_router, self._is_overridden = previous
            override.dispose()

    @property
    def is_overridden(self) -> bool:
        """Whether a block of ``using`` provides another database, as in tests."""
        return self._is_overridden

    def statement_timeout(self, seconds: float) -> AbstractContextManager[None]:
        """Limit the time of each statement in a block: ``with db.statement_timeout(0.5): ...``.

        The limit applies to everything the block calls, including async code, if it is lower than
        the Database's. To make it a FastAPI dependency, yield inside the block in an ``async def``.

        Args:
            seconds: The timeout in seconds.

        Returns:
            The context manager.

        Raises:
            ValueError: ``seconds`` is not greater than 0.
        """
        return statement_timeout(seconds)

    def session(self, *, read_only: bool = False) -> SessionContext:
        """Open a session: a ``Session`` in ``with``, an ``AsyncSession`` in ``async with``.

        Call ``commit()`` yourself: uncommitted changes are rolled back at the end of the block.
        Loaded objects remain readable after a commit.

        Args:
            read_only: Whether the session only reads. A replica may then serve it, and the database
                refuses writes.

        Returns:
            The context manager, for a single use.
        """
        return SessionContext(self._engines, self._read_router, read_only=read_only)

    async def get_session(self) -> AsyncIterator[Session]:
        """A FastAPI dependency for sync endpoints: ``Depends(db.get_session)``.

        A connection is reserved for the session before FastAPI gives the endpoint a worker thread.
        A request that waits for a connection therefore holds no thread that another one needs.

        Yields:
            The session, which is closed after the response has been sent.
        """
        async with self._engines.session_limit.slot():
            session = self.session().__enter__()
            try:
                yield session
            finally:
                if session.in_transaction():  # closing it rolls back, which blocks
                    await asyncio.shield(asyncio.to_thread(session.close))
                else:
                    session.close()

    async def get_async_session(self) -> AsyncIterator[AsyncSession]:
        """A FastAPI dependency for async endpoints: ``Depends(db.get_async_session)``.

        Yields:
            The session, which is closed after the response has been sent.
        """
        async with self.session() as session:
            yield session

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Connect when the app starts and close when it stops: ``FastAPI(lifespan=db.lifespan)``.

        Args:
            app: The app, which is not used.

        Raises:
            UnreachableError: The database cannot be connected to; the message says why.
        """
        if not self._is_overridden:  # the block of ``using`` manages the connections
            await self.ping_async()
        with frozen_gc() if self._freezes_gc and not self._is_overridden else nullcontext():
            try:
                yield
            finally:
                await self.dispose_async()

    def create_all(self, metadata: MetaData | None = None) -> None:
        """Create the tables that do not exist yet.

        Args:
            metadata: The tables; if it is None, those of every ``SQLModel``, including models whose
                base class has a separate MetaData.
        """
        with self.engine.begin() as connection:
            create_missing(_tables_to_create(metadata), connection)

    async def create_all_async(self, metadata: MetaData | None = None) -> None:
        """Create the tables that do not exist yet, from async code.

        Args:
            metadata: The tables, as in ``create_all``.
        """
        if self.url.backend == "sqlite":
            await self._engines.threads.run(partial(self.create_all, metadata))
            return
        async with self.async_engine.begin() as connection:
            await connection.run_sync(partial(create_missing, _tables_to_create(metadata)))

    def transaction(
        self,
        work: Callable[[Session], T],
        *,
        isolation_level: IsolationLevel | None = None,
        idempotent: bool = False,
    ) -> T:
        """Run a unit of work in a transaction, and retry it on a serialization failure or deadlock.

        It is also retried if the connection was lost before COMMIT was sent.

        Args:
            work: Called with a session, which is committed when it returns. It may be called
                several times, each time in a new transaction, so it should do nothing that a
                rollback does not undo.
            isolation_level: The isolation level of the transaction. On SQLite, ``SERIALIZABLE``
                locks out other writers from the start.
            idempotent: Whether running the unit twice has the same outcome as running it once.
                It is then also retried if it is not known whether it was committed.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or every attempt met a conflict.
            UncertainCommitError: The connection was lost after COMMIT was sent.
            UnreachableError: The database cannot be reached.
        """
        attempts = Attempts(self._engines.outage, idempotent=idempotent)
        return run_transaction(self.session, attempts, work, isolation_level)

    async def transaction_async(
        self,
        work: Callable[[AsyncSession], Awaitable[T]],
        *,
        isolation_level: IsolationLevel | None = None,
        idempotent: bool = False,
    ) -> T:
        """Run a unit of work in a transaction and retry it like ``transaction``, from async code.

        Args:
            work: Called with an ``AsyncSession``, possibly several times, as in ``transaction``.
            isolation_level: The isolation level, as in ``transaction``.
            idempotent: Whether running the unit twice has the same outcome as running it once.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or every attempt met a conflict.
            UncertainCommitError: The connection was lost after COMMIT was sent.
            UnreachableError: The database cannot be reached.
        """
        attempts = Attempts(self._engines.outage, idempotent=idempotent)
        return await run_transaction_async(self.session, attempts, work, isolation_level)

    async def run_async(
        self,
        work: Callable[[Connection], T],
        *,
        begin: bool = False,
        idempotent: bool = False,
        read_only: bool = False,
    ) -> T:
        """Run Core statements from async code.

        On PostgreSQL they run on the event loop's engine. On SQLite they run in one hop to a
        thread, since a driver that hops for each call is many times slower than SQLite itself.

        Args:
            work: Called with a connection. Without ``begin``, each statement is a separate
                transaction, which takes one round trip. The driver executes it directly unless a
                log or an event listener observes the engine.
            begin: Run it in one transaction, and retry it on a serialization failure or deadlock.
                On SQLite, it locks out other writers from the start.
            idempotent: Whether running it twice has the same outcome as running it once. It is then
                retried if the connection was lost.
            read_only: Whether it only reads. A replica may then serve it.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or every attempt met a conflict.
            UncertainCommitError: The connection was lost, and the work may have been done.
            UnreachableError: The database cannot be reached.
        """
        attempts = Attempts(
            self._engines.outage,
            idempotent=idempotent or read_only,
            autocommit=not begin,
            timeout=self._options.pool_timeout,
        )
        while True:
            try:
                if self.url.backend == "sqlite":
                    return await run_sqlite(self._engines, work, begin=begin, read_only=read_only)
                if read_only and self._read_router.replicas:
                    return await self._read_router.run_async(
                        lambda engines: engines.for_running_loop().run(
                            work, begin=begin, attempts=attempts
                        )
                    )
                result = await self._engines.for_running_loop().run(
                    work, begin=begin, attempts=attempts
                )
            except (SQLAlchemyError, DatabaseError) as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
            else:
                if not read_only:
                    self._read_router.note_write()
                return result
            await asyncio.sleep(pause)

    def ping(self) -> None:
        """Check that the database can be reached.

        Raises:
            UnreachableError: The database cannot be connected to; the message says why.
        """
        with translate_connect_errors(self.url), self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    async def ping_async(self) -> None:
        """Check that the database can be reached, from async code.

        Raises:
            UnreachableError: The database cannot be connected to; the message says why.
        """
        if self.url.backend == "sqlite":
            # The same library opens the file, and this takes one hop where aiosqlite takes four.
            await self._engines.threads.run(self.ping)
            return
        with translate_connect_errors(self.url):
            await self.run_async(
                lambda connection: connection.execute(text("SELECT 1")), idempotent=True
            )

    def health(self, timeout: float = _health.TIMEOUT) -> Health:
        """Check whether the database answers, and which migrations it has.

        Args:
            timeout: Seconds to wait for the answer.

        Returns:
            The result. A database that does not answer is part of it and raises no error.
        """
        return _health.check(self._engines, timeout)

    async def health_async(
        self,
        timeout: float = _health.TIMEOUT,  # noqa: ASYNC109 - the same name as in ``health``
    ) -> Health:
        """Check whether the database answers, and which migrations it has, from async code.

        Args:
            timeout: Seconds to wait for the answer.

        Returns:
            The result. A database that does not answer is part of it and raises no error.
        """
        return await _health.check_async(self._engines, timeout)

    def dispose(self) -> None:
        """Close the connections of sync code. An in-memory database keeps its data.

        This waits up to 5 seconds for SQLite statements that async code is running.
        """
        if not self._is_overridden:
            for engines in self._all_engines():
                engines.dispose()

    async def dispose_async(self) -> None:
        """Close the connections of the running event loop, and those of sync code."""
        if not self._is_overridden:
            for engines in self._all_engines():
                await engines.dispose_async()

    def _all_engines(self) -> list[Engines]:
        return [self._engines, *self._read_router.replicas.engines()]


def _default_url() -> str:
    url = os.environ.get("DATABASE_URL")
    if not url:
        logger.warning("DATABASE_URL is not set: using %s", DEFAULT_URL)
        return DEFAULT_URL
    return url


def _direct_url() -> str | None:
    """Read the variables that Neon's integrations and Prisma use for the unpooled URL."""
    return os.environ.get("DATABASE_URL_UNPOOLED") or os.environ.get("DIRECT_URL") or None


def _tables_to_create(metadata: MetaData | None) -> MetaData:
    """Return the tables to create; warn if there are none.

    Raises:
        ValueError: Two tables have the same name.
    """
    if metadata is not None:
        return metadata
    chosen = merged(metadatas())
    if not chosen.tables:
        logger.warning(
            "create_all() found no tables. Import the modules that define your models before you "
            "call it, or pass their MetaData."
        )
    return chosen
