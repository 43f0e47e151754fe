"""Single statements by the driver itself, on a connection of SQLAlchemy's pool.

SQLAlchemy's execution of a compiled statement costs several times what the statement does. Here it
compiles once, and binds as its types say; the driver runs the rest. Each statement is a transaction
of its own. What this cannot do, the ordinary way does: see ``Prepared.of``.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Connection, Engine, Executable
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.util import await_only

_EVENTS = ("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute")


class NotDirect(Exception):  # noqa: N818 - not an error: a way that cannot be taken
    """A statement that only SQLAlchemy itself can run."""


def is_watched(engine: Engine, own: int) -> bool:
    """Whether somebody wants to see the statements of an engine: a log, or listeners.

    Args:
        engine: The engine.
        own: How many of the listeners are Colonnade's.
    """
    if engine.echo or engine._should_log_info():
        return True
    return sum(len(getattr(engine.dispatch, name)) for name in _EVENTS) > own


class Prepared:
    """A statement, compiled for one dialect.

    Attributes:
        sql: Its text.
        row: Makes a row, whose values have the names of the statement's columns.
    """

    __slots__ = ("_defaults", "_kept", "_order", "row", "sql")

    def __init__(self, compiled: Any) -> None:
        names = [entry.keyname for entry in compiled._result_columns]
        processors = compiled._bind_processors
        order = compiled.positiontup or []
        self.sql: str = str(compiled)
        self.row: Callable[[Iterable[Any]], Any] = _row_of(names) if names else tuple
        self._order: list[tuple[str, Any]] = [(name, processors.get(name)) for name in order]
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
        if compiled.post_compile_params or compiled.literal_execute_params:
            return None
        try:
            return cls(compiled)
        except NotDirect:
            return None

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the text, as the driver takes them."""
        given = {**self._defaults, **parameters}
        if self._kept:
            context = Context()
            given |= {name: make(context) for name, make in self._kept if name not in parameters}
        return [
            given[name] if process is None else process(given[name])
            for name, process in self._order
        ]


@lru_cache(maxsize=1024)
def _row_type(names: tuple[str, ...]) -> Any:
    return namedtuple("Row", names, rename=True)


def _row_of(names: list[str]) -> Callable[[Iterable[Any]], Any]:
    make: Callable[[Iterable[Any]], Any] = _row_type(tuple(names))._make
    return make


class Context:
    """What a column's default is called with: one for each statement."""


def _kept(compiled: Any) -> Iterable[tuple[str, Callable[[Any], Any]]]:
    """The columns that have a value in Python when none is given, with what makes it."""
    kinds = ((compiled.insert_prefetch, "default"), (compiled.update_prefetch, "onupdate"))
    for columns, which in kinds:
        for column in columns:
            name_of = compiled._within_exec_param_key_getter
            default: Any = getattr(column, which)
            if default.is_scalar:
                yield name_of(column), partial(_same, default.arg)
            elif getattr(default.arg, "needs_context", True):
                raise NotDirect(column)
            else:
                yield name_of(column), default.arg


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
    """

    def __init__(self, engine: Engine, pooled: Any) -> None:
        self._engine = engine
        self._pooled = pooled
        self.dialect = engine.dialect

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
        given = parameters or {}
        prepared = Prepared.of(statement, self._engine, given)
        if prepared is None:
            raise NotDirect(statement)
        return self.run(prepared, given)

    def prepare(self, statement: Executable, names: Iterable[str]) -> Prepared | None:
        """A statement, ready to run again and again; None if only SQLAlchemy can run it."""
        return Prepared.of(statement, self._engine, names)

    def run(self, prepared: Prepared, parameters: Mapping[str, Any]) -> Rows:
        """Run a statement that is prepared.

        Raises:
            sqlalchemy.exc.DBAPIError: The database refused.
        """
        values = prepared.values(parameters)
        try:
            return Rows(map(prepared.row, self._fetch(prepared.sql, values)))
        except self.dialect.loaded_dbapi.Error as error:
            lost = self.dialect.is_disconnect(error, self._pooled.dbapi_connection, None)
            if lost:
                self._pooled.invalidate(error)
            raise DBAPIError.instance(
                prepared.sql,
                {},
                error,
                self.dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=lost,
                dialect=self.dialect,
            ) from error

    def _fetch(self, sql: str, values: Sequence[Any]) -> Iterable[Any]:
        driver = self._pooled.driver_connection
        if self.dialect.name == "sqlite":
            driver.isolation_level = None  # as SQLAlchemy may not have left it
            found: list[Any] = driver.execute(sql, values).fetchall()
            return found
        try:
            rows: list[Any] = await_only(driver.fetch(sql, *values))
        except Exception as error:
            # SQLAlchemy's own translation of what asyncpg raises.
            self._pooled.dbapi_connection._handle_exception(error)
            raise
        return rows


def run_direct(engine: Engine, work: Callable[[Connection], Any]) -> Any:
    """Run ``work`` with a connection on which each statement is a transaction of its own.

    Raises:
        NotDirect: It has a statement that only SQLAlchemy can run; none has been run.
    """
    pooled = engine.raw_connection()
    try:
        connection: Any = DirectConnection(engine, pooled)
        result = work(connection)
    except (DBAPIError, NotDirect):
        raise
    except BaseException as error:
        if not isinstance(error, Exception):
            pooled.invalidate()  # cut short: what comes next on it would meet the answer
        raise
    finally:
        pooled.close()
    return result
