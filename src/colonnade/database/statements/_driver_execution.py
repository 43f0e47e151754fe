"""Single statements by the driver itself, on a connection of SQLAlchemy's pool.

SQLAlchemy's execution of a compiled statement costs several times what the statement does. Here it
compiles once, and binds as its types say; the driver runs the rest. Each statement is a separate
transaction, unless SQLite gets several at once. What this cannot do, the ordinary way does: see
``Prepared.of``.
"""

import asyncio
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import lru_cache, partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Executable, QueuePool, text
from sqlalchemy.exc import DBAPIError, MissingGreenlet, NoResultFound
from sqlalchemy.util import await_only, greenlet_spawn

from colonnade._sqlalchemy_compat import (
    CompiledParts,
    compiled_parts,
    count_statement_listeners,
    logs_statements,
    parameter_name,
)
from colonnade.database.connections._liveness import is_closed_asyncpg
from colonnade.database.statements._statement_limit import narrower
from colonnade.database.statements._statement_timeout import settle, stalled

T = TypeVar("T")

_BEGIN, _COMMIT = text("BEGIN IMMEDIATE"), text("COMMIT")


class NotDirect(Exception):  # noqa: N818 - not an error: a way that cannot be taken
    """A statement that only SQLAlchemy itself can run."""


def is_watched(engine: Engine, own_listeners: int) -> bool:
    """Whether somebody wants to see the statements of an engine: a log, or listeners.

    Args:
        engine: The engine.
        own: How many of the listeners are Colonnade's.
    """
    return logs_statements(engine) or count_statement_listeners(engine) > own_listeners


class Prepared:
    """A statement, compiled for one dialect.

    Attributes:
        sql: Its text.
        row: Makes a row, whose values have the names of the statement's columns.
    """

    __slots__ = ("_defaults", "_kept", "_order", "row", "sql")

    def __init__(self, compiled: Any, parts: CompiledParts) -> None:
        order = compiled.positiontup or []
        self.sql: str = str(compiled)
        self.row: Callable[[Iterable[Any]], Any] = (
            _row_of(parts.columns) if parts.columns else tuple
        )
        self._order: list[tuple[str, Any]] = [(name, parts.processors.get(name)) for name in order]
        self._defaults = {
            name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required
        }
        self._kept = list(_kept(compiled))

    @classmethod
    def of(cls, statement: Any, engine: Engine, names: Iterable[str]) -> "Prepared | None":
        """A statement, ready to run; None if it has parts that only SQLAlchemy can work out.

        Such are defaults in Python that ask for a context, and lists that are expanded.

        Args:
            statement: The statement.
            engine: What it is for.
            names: The names of its parameters.
        """
        keys = list(names) if getattr(statement, "is_dml", False) else None
        compiled: Any = statement.compile(dialect=engine.dialect, column_keys=keys)
        parts = compiled_parts(compiled)
        if compiled.post_compile_params or compiled.literal_execute_params or parts is None:
            return None
        try:
            return cls(compiled, parts)
        except NotDirect:
            return None

    def values(self, parameters: Mapping[str, Any], context: "Context | None" = None) -> list[Any]:
        """The values in the order of the text, as the driver takes them.

        Args:
            parameters: The values by name.
            context: What defaults are called with; this statement's own by default.
        """
        values = {**self._defaults, **parameters}
        if self._kept:
            context = context or Context()
            values |= {name: make(context) for name, make in self._kept if name not in parameters}
        return [
            values[name] if process is None else process(values[name])
            for name, process in self._order
        ]


@lru_cache(maxsize=1024)
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)


def _row_of(names: list[str]) -> Callable[[Iterable[Any]], Any]:
    make: Callable[[Iterable[Any]], Any] = _row_type(tuple(names))._make
    return make


class Context:
    """What a column's default is called with: one for each statement, or for several at once."""


def _kept(compiled: Any) -> Iterable[tuple[str, Callable[[Any], Any]]]:
    """The columns that have a value in Python when none is given, with what makes it."""
    kinds = ((compiled.insert_prefetch, "default"), (compiled.update_prefetch, "onupdate"))
    for columns, which in kinds:
        for column in columns:
            default: Any = getattr(column, which)
            if default.is_scalar:
                yield parameter_name(compiled, column), partial(_same, default.arg)
            elif getattr(default.arg, "needs_context", True):
                raise NotDirect(column)
            else:
                yield parameter_name(compiled, column), default.arg


def _same(value: Any, context: object) -> Any:
    return value


class Rows(list[Any]):
    """The rows of an answer, asked for as SQLAlchemy's result is."""

    def first(self) -> Any:
        """The first row; None if there is none."""
        return self[0] if self else None

    def one(self) -> Any:
        """The only row.

        Raises:
            sqlalchemy.exc.NoResultFound: There is none.
        """
        if not self:
            raise NoResultFound("No row was found when one was required")
        return self[0]

    def all(self) -> list[Any]:
        """Every row."""
        return self

    def scalar(self) -> Any:
        """The first value of the first row; None if there is none."""
        return self[0][0] if self else None

    def scalar_one(self) -> Any:
        """The first value of the only row."""
        return self.one()[0]


class DirectConnection:
    """As much of ``sqlalchemy.Connection`` as single statements need.

    Args:
        engine: The engine whose pool it is from.
        pooled: The connection of the pool.

    Attributes:
        pool: The pool.
        began: When it was first lent out: see ``ConnectionCache``.
    """

    def __init__(self, engine: Engine, pooled: Any) -> None:
        self._engine = engine
        pool: Any = engine.pool
        self.pool: QueuePool = pool
        self._pooled = pooled
        self.dialect = engine.dialect
        self.began = 0.0
        self._context: Context | None = None

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        execution_options: object = None,
    ) -> Rows:
        """Run a statement that will not come again.

        Raises:
            NotDirect: Only SQLAlchemy can run it.
            sqlalchemy.exc.DBAPIError: The database refused.
        """
        values = parameters or {}
        prepared = Prepared.of(statement, self._engine, values)
        if prepared is None:
            raise NotDirect(statement)
        return self.run(prepared, values)

    def prepare(self, statement: Executable, names: Iterable[str]) -> Prepared | None:
        """A statement, ready to run again and again; None if only SQLAlchemy can run it."""
        return Prepared.of(statement, self._engine, names)

    def run(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Rows:
        """Run a statement that is prepared.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused.
        """
        if self.dialect.is_async:
            return await_only(self.fetch(prepared, parameters))
        driver = self._pooled.driver_connection
        if driver.isolation_level is not None:  # as SQLAlchemy may leave it
            driver.isolation_level = None  # which commits
        driver.narrow()
        try:
            rows = driver.execute(
                prepared.sql, prepared.values(parameters, self._context)
            ).fetchall()
        except self.dialect.loaded_dbapi.Error as error:
            raise self._translated(prepared, error) from error
        return Rows(map(prepared.row, rows))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements in one transaction, which locks out other writers from the start: SQLite.

        Raises:
            sqlalchemy.exc.DBAPIError: Others have the lock, or it cannot be committed.
        """
        self.execute(_BEGIN)
        self._context = Context()
        try:
            yield
            self.execute(_COMMIT)
        except BaseException:
            self.driver_connection.rollback()
            raise

    async def fetch(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Rows:
        """``run`` on an async driver."""
        values = prepared.values(parameters)
        driver = self._pooled.driver_connection
        # As the connection has it, unless it is less here.
        limit = {} if (narrow := narrower(None)) is None else {"timeout": narrow}
        try:
            rows = await driver.fetch(prepared.sql, *values, **limit)
        except asyncio.CancelledError:
            await settle(driver)
            raise
        except TimeoutError as error:
            await settle(driver)
            self._pooled.invalidate(error)
            raise stalled() from error
        except Exception as raised:
            try:
                # SQLAlchemy's own translation of what asyncpg raises.
                self._pooled.dbapi_connection._handle_exception(raised)
            except self.dialect.loaded_dbapi.Error as error:
                raise self._translated(prepared, error) from error
            raise
        return Rows(map(prepared.row, rows))

    def _translated(self, prepared: Prepared, error: Any) -> BaseException:
        """SQLAlchemy's error for one of the driver's; a connection that is lost is not kept."""
        lost = self.dialect.is_disconnect(error, self._pooled.dbapi_connection, None)
        if lost:
            self._pooled.invalidate(error)
        translated: BaseException = DBAPIError.instance(
            prepared.sql,
            {},
            error,
            self.dialect.loaded_dbapi.Error,
            hide_parameters=True,
            connection_invalidated=lost,
            dialect=self.dialect,
        )
        return translated

    @property
    def driver_connection(self) -> Any:
        """The driver's own."""
        return self._pooled.driver_connection

    def is_closed(self) -> bool:
        """Whether the server has closed an async connection."""
        driver_connection = self._pooled.driver_connection
        return driver_connection is None or is_closed_asyncpg(driver_connection)

    @property
    def is_beyond_the_pool(self) -> bool:
        """Whether more connections are open than the pool keeps."""
        return self.pool.overflow() > 0

    @property
    def closes_at_once(self) -> bool:
        """Whether it can be given back without waiting: a pool that is full closes it."""
        return self.pool.checkedin() < self.pool.size()

    def close(self, *, cut_short: bool = False) -> None:
        """Give it back to the pool, unless that was done before.

        Args:
            cut_short: Whether a statement has not come to its end. What comes next on the
                connection would meet the answer, so that it is not used again.
        """
        if self._pooled.dbapi_connection is None:
            return
        if cut_short:
            self._pooled.invalidate()
        self._pooled.close()

    async def aclose(self, *, cut_short: bool = False) -> None:
        """``close`` for an async driver: where the pool has no room, the driver closes it first."""
        if cut_short or self.closes_at_once:
            self.close(cut_short=cut_short)
            return
        try:
            await self.driver_connection.close()
        finally:  # asyncpg ends a connection too where waiting for the server is cancelled
            self.close(cut_short=True)


def run_direct(
    engine: Engine,
    work: Callable[[Connection], T],
    on: Callable[[Any], AbstractContextManager[None]] = nullcontext,
    *,
    begin: bool = False,
) -> T:
    """Run ``work`` with a connection on which each statement is its own transaction.

    Args:
        engine: Whose connection.
        work: What to run.
        on: Entered with the driver's connection while it runs.
        begin: Whether all its statements are one transaction instead, on SQLite.

    Raises:
        NotDirect: It has a statement that only SQLAlchemy can run; nothing has been done.
    """
    connection = DirectConnection(engine, _checked_out(engine))
    cut_short = False
    try:
        with (
            on(connection.driver_connection),
            connection.transaction() if begin else nullcontext(),
        ):
            return work(connection)  # type: ignore[arg-type] # as much of one as work needs
    except BaseException as error:
        cut_short = not isinstance(error, Exception)
        raise
    finally:
        connection.close(cut_short=cut_short)


def idle(engine: Engine) -> DirectConnection | None:
    """A connection that waits in an async engine's pool; None if there is none.

    Without the greenlet that opening one needs: 30 µs, where a short statement itself takes 40.
    """
    pool: Any = engine.pool
    if pool.checkedin():
        with suppress(MissingGreenlet):  # it was closed, and must be opened anew
            return DirectConnection(engine, _checked_out(engine))
    return None


async def opened(engine: Engine) -> DirectConnection:
    """A connection of an async engine's pool, opened or waited for."""
    return DirectConnection(engine, await greenlet_spawn(_checked_out, engine))


def _checked_out(engine: Engine) -> Any:
    """A connection of the pool; what keeps it from being opened is SQLAlchemy's error."""
    dbapi: Any = engine.dialect.loaded_dbapi
    try:
        return engine.raw_connection()
    except dbapi.Error as error:
        raise DBAPIError.instance(None, None, error, dbapi.Error, dialect=engine.dialect) from error
