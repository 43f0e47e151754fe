"""Execute single statements on the driver, with a connection from SQLAlchemy's pool.

Executing a compiled statement through SQLAlchemy takes several times as long as the statement
itself. Here SQLAlchemy compiles it once and its types convert the values; the driver does the rest.
Each statement is a separate transaction, unless SQLite gets several at once. SQLAlchemy executes
the statements that this cannot: see ``Prepared.of``.
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
from colonnade.database.connections._asyncpg import fetch
from colonnade.database.connections._liveness import closed_check_asyncpg
from colonnade.database.statements._impossible_values import out_of_range
from colonnade.database.statements._missing_tables import add_note
from colonnade.database.statements._statement_limit import block_timeout
from colonnade.database.statements._statement_timeout import no_answer_error, wait_for_cancellation

T = TypeVar("T")

_BEGIN, _COMMIT = text("BEGIN IMMEDIATE"), text("COMMIT")

_DRIVER_OPTION = "colonnade_driver"
"""The execution option of a connection that shares its transaction with its driver."""


class NeedsSQLAlchemy(Exception):  # noqa: N818 - a signal, not an error
    """Raised for a statement that only SQLAlchemy itself can execute."""


def has_observers(engine: Engine, own_listeners: int) -> bool:
    """Whether a log or an event listener observes the statements of an engine.

    Args:
        engine: The engine.
        own_listeners: The number of listeners that Colonnade itself has added.
    """
    return logs_statements(engine) or count_statement_listeners(engine) > own_listeners


class Prepared:
    """A statement, compiled for one dialect.

    Attributes:
        sql: The SQL text.
        row: Makes a named tuple of a row, with the names of the statement's columns.
    """

    __slots__ = ("_defaults", "_order", "_python_defaults", "row", "sql")

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
        self._python_defaults = list(_python_defaults(compiled))

    @classmethod
    def of(cls, statement: Any, engine: Engine, names: Iterable[str]) -> "Prepared | None":
        """Compile a statement; return None if only SQLAlchemy can execute it.

        Those are statements with expanding lists, or with Python defaults that need an execution
        context.

        Args:
            statement: The statement.
            engine: The engine whose dialect compiles it.
            names: The names of its parameters.
        """
        keys = list(names) if getattr(statement, "is_dml", False) else None
        compiled: Any = statement.compile(dialect=engine.dialect, column_keys=keys)
        parts = compiled_parts(compiled)
        if compiled.post_compile_params or compiled.literal_execute_params or parts is None:
            return None
        try:
            return cls(compiled, parts)
        except NeedsSQLAlchemy:
            return None

    def values(
        self, parameters: Mapping[str, Any], context: "DefaultContext | None" = None
    ) -> list[Any]:
        """Return the values in the order of the SQL text, converted for the driver.

        Args:
            parameters: The values by name.
            context: Passed to Python defaults; a new one by default.
        """
        named = {**self._defaults, **parameters}
        if self._python_defaults:
            context = context or DefaultContext()
            named |= {
                name: make(context)
                for name, make in self._python_defaults
                if name not in parameters
            }
        return [
            named[name] if process is None else process(named[name])
            for name, process in self._order
        ]


@lru_cache(maxsize=1024)
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)


def _row_of(names: list[str]) -> Callable[[Iterable[Any]], Any]:
    make: Callable[[Iterable[Any]], Any] = _row_type(tuple(names))._make
    return make


class DefaultContext:
    """The argument of Python column defaults: one per statement, or one for a whole batch."""


def _python_defaults(compiled: Any) -> Iterable[tuple[str, Callable[[Any], Any]]]:
    """Yield the bind name and the function of each column with a Python-side default."""
    kinds = ((compiled.insert_prefetch, "default"), (compiled.update_prefetch, "onupdate"))
    for columns, which in kinds:
        for column in columns:
            default: Any = getattr(column, which)
            if default.is_scalar:
                yield parameter_name(compiled, column), partial(_constant, default.arg)
            elif getattr(default.arg, "needs_context", True):
                raise NeedsSQLAlchemy(column)
            else:
                yield parameter_name(compiled, column), default.arg


def _constant(value: Any, context: object) -> Any:
    return value


class Rows(list[Any]):
    """The rows of a result, with the accessors of SQLAlchemy's ``Result``."""

    def first(self) -> Any:
        """Return the first row, or None."""
        return self[0] if self else None

    def one(self) -> Any:
        """Return the only row.

        Raises:
            sqlalchemy.exc.NoResultFound: The result is empty.
        """
        if not self:
            raise NoResultFound("No row was found when one was required")
        return self[0]

    def all(self) -> list[Any]:
        """Return every row."""
        return self

    def scalar(self) -> Any:
        """Return the first value of the first row, or None."""
        return self[0][0] if self else None

    def scalar_one(self) -> Any:
        """Return the first value of the only row."""
        return self.one()[0]


class DirectConnection:
    """The part of ``sqlalchemy.Connection``'s interface that single statements need.

    Args:
        engine: The engine whose pool it comes from.
        pooled: The pool's connection.

    Attributes:
        pool: The pool.
        cached_since: When ``ConnectionCache`` first held it, by the event loop's clock.
    """

    def __init__(self, engine: Engine, pooled: Any) -> None:
        self._engine = engine
        pool: Any = engine.pool
        self.pool: QueuePool = pool
        self._pooled = pooled
        self.dialect = engine.dialect
        self.cached_since = 0.0
        self._context: DefaultContext | None = None
        self._is_closed: Callable[[], bool] | None = None

    def execute(
        self,
        statement: Executable,
        parameters: Mapping[str, Any] | None = None,
        *,
        execution_options: object = None,
    ) -> Rows:
        """Execute a one-off statement.

        Raises:
            NeedsSQLAlchemy: Only SQLAlchemy can execute it.
            sqlalchemy.exc.DBAPIError: The database raised an error.
        """
        values = parameters or {}
        prepared = Prepared.of(statement, self._engine, values)
        if prepared is None:
            raise NeedsSQLAlchemy(statement)
        return self.run(prepared, values)

    def prepare(self, statement: Executable, names: Iterable[str]) -> Prepared | None:
        """Compile a statement for repeated use; None if only SQLAlchemy can execute it."""
        return Prepared.of(statement, self._engine, names)

    def run(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Rows:
        """Execute a compiled statement.

        Raises:
            sqlalchemy.exc.DBAPIError: The database raised an error.
        """
        if self.dialect.is_async:
            return await_only(self.fetch(prepared, parameters))
        driver = self._pooled.driver_connection
        # SQLAlchemy may have set it. Setting it commits, so its transaction keeps it.
        if driver.isolation_level is not None and not driver.in_transaction:
            driver.isolation_level = None
        driver.begin_statement()
        try:
            rows = driver.execute(
                prepared.sql, prepared.values(parameters, self._context)
            ).fetchall()
        except self.dialect.loaded_dbapi.Error as error:
            raise self._translated(prepared, error) from error
        except OverflowError as error:
            raise out_of_range(prepared.sql, error) from error
        return Rows(map(prepared.row, rows))

    @classmethod
    def within(cls, connection: Connection) -> "DirectConnection":
        """Return the driver's side of a connection whose transaction has begun, on SQLite."""
        direct = cls(connection.engine, connection.connection)
        direct._context = DefaultContext()
        return direct

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run all statements in one transaction that holds SQLite's write lock from the start.

        Raises:
            sqlalchemy.exc.DBAPIError: The lock is not available, or the commit failed.
        """
        self.execute(_BEGIN)
        self._context = DefaultContext()
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
        try:
            # The connection has its timeout; pass one only if a block lowers it.
            rows = await fetch(driver, prepared.sql, values, block_timeout())
        except asyncio.CancelledError:
            await wait_for_cancellation(driver)
            raise
        except TimeoutError as error:
            await wait_for_cancellation(driver)
            self._pooled.invalidate(error)
            raise no_answer_error() from error
        except Exception as raised:
            try:
                # SQLAlchemy translates asyncpg's errors here.
                self._pooled.dbapi_connection._handle_exception(raised)
            except self.dialect.loaded_dbapi.Error as error:
                raise self._translated(prepared, error) from error
            raise
        return Rows(map(prepared.row, rows))

    def _translated(self, prepared: Prepared, error: Any) -> BaseException:
        """Return SQLAlchemy's error for a driver's error; invalidate a lost connection."""
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
        add_note(translated, error)
        return translated

    @property
    def driver_connection(self) -> Any:
        """The driver's connection."""
        return self._pooled.driver_connection

    def is_closed(self) -> bool:
        """Whether the server has closed an async connection."""
        driver_connection = self._pooled.driver_connection
        if driver_connection is None:
            return True
        if self._is_closed is None:
            self._is_closed = closed_check_asyncpg(driver_connection)
        return self._is_closed()

    @property
    def is_overflow(self) -> bool:
        """Whether more connections are open than the pool keeps."""
        return self.pool.overflow() > 0

    @property
    def returns_without_waiting(self) -> bool:
        """Whether returning it does not block: a full pool closes the connection."""
        return self.pool.checkedin() < self.pool.size()

    def close(self, *, interrupted: bool = False) -> None:
        """Return the connection to the pool, unless it was returned before.

        Args:
            interrupted: Whether a statement was interrupted. The next statement would receive its
                result, so the connection is not used again.
        """
        if self._pooled.dbapi_connection is None:
            return
        if interrupted:
            self._pooled.invalidate()
        self._pooled.close()

    async def aclose(self, *, interrupted: bool = False) -> None:
        """``close`` for an async driver, which closes a connection that does not fit the pool."""
        driver = self.driver_connection  # None when the connection was lost
        if interrupted or driver is None or self.returns_without_waiting:
            self.close(interrupted=interrupted)
            return
        try:
            with suppress(Exception):  # the server may have closed it first
                await driver.close()
        finally:  # asyncpg closes the connection even when this is cancelled
            self.close(interrupted=True)


def run_direct(
    engine: Engine,
    work: Callable[[Connection], T],
    attach: Callable[[Any], AbstractContextManager[None]] = nullcontext,
    *,
    begin: bool = False,
) -> T:
    """Run ``work`` with a connection on which each statement is a separate transaction.

    Args:
        engine: The engine whose pool gives the connection.
        work: Called with the connection.
        attach: A context manager, entered with the driver's connection while ``work`` runs.
        begin: Whether to run all statements in one transaction, on SQLite.

    Raises:
        NeedsSQLAlchemy: Only SQLAlchemy can execute one of the statements; nothing was done.
    """
    connection = DirectConnection(engine, _check_out(engine))
    interrupted = False
    try:
        with (
            attach(connection.driver_connection),
            connection.transaction() if begin else nullcontext(),
        ):
            return work(connection)  # type: ignore[arg-type] # it has the interface that work needs
    except BaseException as error:
        interrupted = not isinstance(error, Exception)
        raise
    finally:
        connection.close(interrupted=interrupted)


def share_transaction(connection: Connection) -> None:
    """Begin the transaction of a connection, and let plans run on the driver in it, on SQLite."""
    connection.execute(_BEGIN)
    connection.execution_options(**{_DRIVER_OPTION: DirectConnection.within(connection)})


def driver_of(connection: Connection | DirectConnection) -> DirectConnection | None:
    """Return the driver's side of a connection whose transaction it shares; None for others."""
    if isinstance(connection, DirectConnection):
        return None
    driver: DirectConnection | None = connection.get_execution_options().get(_DRIVER_OPTION)
    return driver


def idle_connection(engine: Engine) -> DirectConnection | None:
    """Check out an idle connection of an async engine's pool; None if there is none.

    This avoids the greenlet that opening a connection needs, which costs 30 µs where a short
    statement takes 40.
    """
    pool: Any = engine.pool
    if pool.checkedin():
        with suppress(MissingGreenlet):  # it was closed and must be reopened
            return DirectConnection(engine, _check_out(engine))
    return None


async def open_connection(engine: Engine) -> DirectConnection:
    """Check out a connection of an async engine's pool, opening or waiting for one."""
    return DirectConnection(engine, await greenlet_spawn(_check_out, engine))


def _check_out(engine: Engine) -> Any:
    """Check out a connection; translate the driver's errors into SQLAlchemy's."""
    dbapi: Any = engine.dialect.loaded_dbapi
    try:
        return engine.raw_connection()
    except dbapi.Error as error:
        raise DBAPIError.instance(None, None, error, dbapi.Error, dialect=engine.dialect) from error
