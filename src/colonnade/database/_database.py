"""``Database``: one URL, its engines for sync and async code, sessions and transactions."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
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
from colonnade.database._health import Health
from colonnade.database._metadata import merged, metadatas
from colonnade.database._schema import create_missing
from colonnade.database.connections._connect_errors import as_unreachable
from colonnade.database.connections._engines import EngineOptions, Engines
from colonnade.database.connections._urls import DatabaseURL
from colonnade.database.replicas._read_router import ReadRouter
from colonnade.database.replicas._replicas import NO_REPLICAS, PATIENCE, Replicas
from colonnade.database.replicas._wal_position import position_of, text_of
from colonnade.database.statements import _sqlite
from colonnade.database.statements._retry import Attempts
from colonnade.database.statements._sessions import SessionContext
from colonnade.database.statements._sqlite_executor import run_in_thread
from colonnade.database.statements._statement_limit import narrowed
from colonnade.database.statements._statement_logging import StatementLogging
from colonnade.database.statements._transactions import IsolationLevel, run_unit, run_unit_async
from colonnade.errors import DatabaseError, DatabaseURLError

logger = logging.getLogger("colonnade.database")

DEFAULT_URL = "sqlite:///colonnade.db"
"""The database when neither the program nor DATABASE_URL names one."""

T = TypeVar("T")


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
        pool_timeout: Seconds in which a connection must be there: waiting for one when all are
            in use, and trying to open one at a server that sleeps, restarts or fails over.
        busy_timeout: Seconds to wait for another connection's write, on SQLite.
        statement_timeout: Seconds that a statement may take; None for no limit, or that of the
            server. See ``docs/reliability.md`` for what becomes of one that takes longer.
        replicas: URLs of servers that follow this one: reads of Resources and of
            ``session(read_only=True)`` go to them in turn.
        max_replica_lag: Seconds that a replica may be behind; one further behind is left out.
        direct_url: The server itself, where ``url`` leads to a pooler in transaction mode: what
            needs a session goes there, such as migrations. Neon's is known; of the others, it is
            ``DATABASE_URL_UNPOOLED`` or ``DIRECT_URL`` of the environment when ``url`` is from
            there too.
        log_statements: Log each statement in ``colonnade.statements``, with its
            time and without its values.
        slow_statement: Seconds from which a statement is logged there as a warning.
        explain_slow: Log the database's plan with it.
        telemetry: Whether statements are spans of OpenTelemetry; by default, when its
            instrumentation of SQLAlchemy is installed and a tracer provider is set by the time
            of the first statement.

    Raises:
        DatabaseURLError: The URL cannot be understood.
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
    ) -> None:
        if statement_timeout is not None and not statement_timeout > 0:
            raise ValueError(
                f"statement_timeout must be more than 0 seconds, not {statement_timeout}"
            )
        self._options = EngineOptions(
            echo=echo,
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=pool_timeout,
            busy_timeout=busy_timeout,
            statement_timeout=statement_timeout,
            telling=StatementLogging(log_statements, slow_statement, explain_slow),
            telemetry=telemetry,
        )
        self._engines = Engines(DatabaseURL.parse(url or _default_url()), self._options)
        self._reading = ReadRouter(self._engines, self._follow(replicas, max_replica_lag))
        direct = direct_url or (_direct_url() if url is None else None)
        self._direct = None if direct is None else DatabaseURL.parse(direct)
        self._is_lent = False

    def _follow(self, replicas: Sequence[str | URL | DatabaseURL], max_lag: float) -> Replicas:
        if replicas and self.url.backend == "sqlite":
            raise DatabaseURLError("Replicas need PostgreSQL: SQLite has none.")
        options = replace(self._options, pool_timeout=min(self._options.pool_timeout, PATIENCE))
        engines = [Engines(DatabaseURL.parse(replica), options) for replica in replicas]
        for follower in engines:
            if follower.url.backend == "sqlite":
                raise DatabaseURLError(f"The replica {follower.url} is not PostgreSQL.")
        return Replicas(engines, max_lag)

    def __repr__(self) -> str:
        return f"Database({str(self.url)!r})"

    @property
    def url(self) -> DatabaseURL:
        """Where it is; as text, without the password."""
        return self._engines.url

    @property
    def direct(self) -> DatabaseURL:
        """The server itself, past a pooler where one is known of."""
        if self._direct is None or self._is_lent:
            return self.url.direct
        return self._direct

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler in transaction mode is known of; the first connection may show one."""
        return self._engines.pooler.found

    @property
    def secret(self) -> bytes:
        """A secret that every process on this database has: a key for digests, 32 bytes."""
        return self._engines.secret

    @property
    def has_secret(self) -> bool:
        """Whether ``secret`` is one that nobody can derive from the URL alone."""
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
        return self._engines.of_loop().engine

    def has(self, engine: Engine) -> bool:
        """Whether an engine, or the sync side of an async one, is one of this database's."""
        return any(
            engine.pool is made_engine.pool
            for engines in self._all()
            for made_engine in engines.made()
        )

    @property
    def replicas(self) -> list[DatabaseURL]:
        """Where reads may go."""
        return self._reading.replicas.urls

    @contextmanager
    def following(self, position: str | None = None) -> Iterator[None]:
        """Read nothing older inside than a position, nor than what is written inside.

        For what reads its own writes over several requests: see ``written_position``. What is
        written is found in the same task and what it starts without this too.

        Args:
            position: From ``written_position``; what is none counts for nothing.
        """
        with self._reading.following(position_of(position)):
            yield

    @property
    def is_followed(self) -> bool:
        """Whether ``following`` is around."""
        return self._reading.is_followed

    async def written_position(self) -> str | None:
        """How far the database has come with what was written here; None if nothing was.

        Such as ``0/3000148``; asked of the primary. Where that does not answer within a second, it
        is beyond everything, so that whoever brings it back is sent to the primary.
        """
        position = await self._reading.written_async()
        return None if position is None else text_of(position)

    @contextmanager
    def using(self, url: str | URL | DatabaseURL) -> Iterator[Self]:
        """Be another database for a while: every session, Resource and statement goes there.

        For tests. The connections of the block stay open over ``dispose()``, so that an
        application which is started and stopped for each test need not connect again each time;
        they are closed at its end.

        Args:
            url: The other database.

        Raises:
            DatabaseURLError: The URL cannot be understood.
        """
        before = self._engines, self._reading, self._is_lent
        borrowed = Engines(DatabaseURL.parse(url), self._options)
        self._engines, self._reading, self._is_lent = (
            borrowed,
            ReadRouter(borrowed, NO_REPLICAS),
            True,
        )
        try:
            yield self
        finally:
            self._engines, self._reading, self._is_lent = before
            borrowed.dispose()

    def statement_timeout(self, seconds: float) -> AbstractContextManager[None]:
        """Let statements take no longer inside: ``with db.statement_timeout(0.5): ...``.

        Holds for what the block calls, async code included, where it is less than that of the
        Database. As a FastAPI dependency, an ``async def`` that yields inside of it.

        Args:
            seconds: How long.

        Raises:
            ValueError: It is not a time.
        """
        return narrowed(seconds)

    def session(self, *, read_only: bool = False) -> SessionContext:
        """A session: ``with db.session()`` a ``Session``, ``async with`` an ``AsyncSession``.

        Commit yourself; what is not committed is rolled back at the end. What was read stays
        readable after a commit.

        Args:
            read_only: Whether it writes nothing: then it may be a replica's, and the database
                refuses what it writes.
        """
        return SessionContext(self._engines, self._reading, read_only=read_only)

    async def get_session(self) -> AsyncIterator[Session]:
        """A FastAPI dependency for sync endpoints: ``Depends(db.get_session)``.

        The session is promised a connection before FastAPI gives the endpoint a worker thread: a
        request that waits for one holds no thread that another needs to give its own back.
        """
        async with self._engines.connection_limit():
            session = self.session().__enter__()
            try:
                yield session
            finally:
                if session.in_transaction():  # and has a connection, which is rolled back
                    await asyncio.shield(asyncio.to_thread(session.close))
                else:
                    session.close()

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
        if not self._is_lent:  # whoever has lent it knows that it is there
            await self.ping_async()
        try:
            yield
        finally:
            await self.dispose_async()

    def create_all(self, metadata: MetaData | None = None) -> None:
        """Create the tables that are not there yet.

        Args:
            metadata: Whose; those of every ``SQLModel``, whatever MetaData its base class has,
                when it is None.
        """
        with self.engine.begin() as connection:
            create_missing(_chosen(metadata), connection)

    async def create_all_async(self, metadata: MetaData | None = None) -> None:
        """``create_all`` for async code."""
        if self.url.backend == "sqlite":
            await self._engines.threads.run(partial(self.create_all, metadata))
            return
        async with self.async_engine.begin() as connection:
            await connection.run_sync(partial(create_missing, _chosen(metadata)))

    def transaction(
        self,
        work: Callable[[Session], T],
        *,
        isolation_level: IsolationLevel | None = None,
        idempotent: bool = False,
    ) -> T:
        """Run a unit of work in a transaction, and again if the database asks for that.

        It is run again too where the connection was lost before COMMIT was sent.

        Args:
            work: Called with a session, and committed when it returns. It may be called
                several times, each in its own transaction, so it should do nothing that
                a rollback does not undo.
            isolation_level: The transaction's. On SQLite, ``SERIALIZABLE`` locks out other
                writers from the start.
            idempotent: Whether the unit may be carried out twice and the outcome is the same.
                Then it is run again also where nobody knows whether it was committed.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or met a conflict every time.
            UncertainCommitError: The connection was lost after COMMIT was sent.
            UnreachableError: There was no connection to be had.
        """
        attempts = Attempts(self._engines.outage, idempotent=idempotent)
        return run_unit(self.session, attempts, work, isolation_level)

    async def transaction_async(
        self,
        work: Callable[[AsyncSession], Awaitable[T]],
        *,
        isolation_level: IsolationLevel | None = None,
        idempotent: bool = False,
    ) -> T:
        """``transaction`` for async code."""
        attempts = Attempts(self._engines.outage, idempotent=idempotent)
        return await run_unit_async(self.session, attempts, work, isolation_level)

    async def run_async(
        self,
        work: Callable[[Connection], T],
        *,
        begin: bool = False,
        idempotent: bool = False,
        read_only: bool = False,
    ) -> T:
        """Run Core statements from async code, in one go.

        On PostgreSQL they run on the event loop's own engine; on SQLite in one hop to a thread,
        since a driver that hops for each call is many times slower than SQLite itself.

        Args:
            work: Called with a connection. Without ``begin`` each of its statements is a
                separate transaction, which costs one round trip; unless a log or a listener
                wants to see it, the driver runs it itself.
            begin: Run it in one transaction, and again if the database asks for that. On
                SQLite it locks out other writers from the start.
            idempotent: Whether it may be carried out twice, as what only reads may: then it is
                run again where the connection was lost.
            read_only: Whether it only reads: then it may be run on a replica.

        Returns:
            What ``work`` returned.

        Raises:
            sqlalchemy.exc.DBAPIError: It failed, or met a conflict every time.
            UncertainCommitError: The connection was lost, and it may have been carried out.
            UnreachableError: There was no connection to be had.
        """
        attempts = Attempts(
            self._engines.outage,
            idempotent=idempotent or read_only,
            at_once=not begin,
            patience=self._options.pool_timeout,
        )
        while True:
            try:
                if self.url.backend == "sqlite":
                    return await run_in_thread(
                        self._engines, work, begin=begin, read_only=read_only
                    )
                if read_only and self._reading.replicas:
                    return await self._reading.over_async(
                        lambda engines: engines.of_loop().run(work, begin=begin, attempts=attempts)
                    )
                result = await self._engines.of_loop().run(work, begin=begin, attempts=attempts)
            except (SQLAlchemyError, DatabaseError) as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
            else:
                if not read_only:
                    self._reading.note_write()
                return result
            await asyncio.sleep(pause)

    def ping(self) -> None:
        """Connect and ask for nothing.

        Raises:
            UnreachableError: The database cannot be connected to; the message says why.
        """
        with as_unreachable(self.url), self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    async def ping_async(self) -> None:
        """``ping`` for async code."""
        if self.url.backend == "sqlite":
            # One library opens the file for both, and this is one hop where aiosqlite makes four.
            await self._engines.threads.run(self.ping)
            return
        with as_unreachable(self.url):
            await self.run_async(
                lambda connection: connection.execute(text("SELECT 1")), idempotent=True
            )

    def health(self, patience: float = _health.PATIENCE) -> Health:
        """Whether the database answers, and which migrations it is at.

        Args:
            patience: Seconds in which it has to answer.
        """
        return _health.ask(self._engines, patience)

    async def health_async(self, patience: float = _health.PATIENCE) -> Health:
        """``health`` for async code."""
        return await _health.ask_async(self._engines, patience)

    def dispose(self) -> None:
        """Close the connections of sync code. A database in memory keeps what it holds.

        Statements that async code has running on SQLite are waited for, 5 seconds at most.
        """
        if not self._is_lent:
            for engines in self._all():
                engines.dispose()

    async def dispose_async(self) -> None:
        """Close the connections of the running event loop, and those of sync code."""
        if not self._is_lent:
            for engines in self._all():
                await engines.dispose_async()

    def _all(self) -> list[Engines]:
        return [self._engines, *self._reading.replicas.engines()]


def _default_url() -> str:
    url = os.environ.get("DATABASE_URL")
    if not url:
        logger.warning("DATABASE_URL is not set: using %s", DEFAULT_URL)
        return DEFAULT_URL
    return url


def _direct_url() -> str | None:
    """What Neon's integrations, and Prisma's convention, call it."""
    return os.environ.get("DATABASE_URL_UNPOOLED") or os.environ.get("DIRECT_URL") or None


def _chosen(metadata: MetaData | None) -> MetaData:
    """The tables to be created, where there are some.

    Raises:
        ValueError: Two of them have the same name.
    """
    if metadata is not None:
        return metadata
    chosen = merged(metadatas())
    if not chosen.tables:
        logger.warning(
            "create_all() found no tables: import the modules that define your models before it, "
            "or pass the MetaData that they are in."
        )
    return chosen
