"""Plans: statements that are built once and executed with different values."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable

from colonnade.database.statements._driver_execution import (
    DirectConnection,
    NeedsSQLAlchemy,
    Prepared,
    driver_of,
)

T_co = TypeVar("T_co", covariant=True)


class Plan:
    """A statement that is built once and compiled once.

    Args:
        statement: The statement, with its values as named parameters.
        one_off: Whether it is executed only once, so that its compiled form is not cached.
        max_bytes: The largest value that SQLite may produce for it, in bytes; a larger one is an
            error.

    Attributes:
        thread_runs: How often it still must be short in a thread on SQLite, before it runs in
            the event loop.
    """

    __slots__ = ("_has_run", "_options", "_prepared", "max_bytes", "statement", "thread_runs")

    def __init__(
        self, statement: Executable, *, one_off: bool = False, max_bytes: int | None = None
    ) -> None:
        self.statement = statement
        self.max_bytes = max_bytes
        self.thread_runs = 1
        self._options: dict[str, Any] = {"compiled_cache": None} if one_off else {}
        self._prepared: Prepared | Literal[False] | None = None
        self._has_run = False

    def run(self, connection: Connection | DirectConnection, parameters: Mapping[str, Any]) -> Any:
        """Execute the statement and return its rows, which read like SQLAlchemy's ``Result``."""
        if not isinstance(connection, DirectConnection):
            return connection.execute(
                self.statement, dict(parameters), execution_options=self._options
            )
        return connection.run(self.prepared(connection, parameters), parameters)

    def run_as_text(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        """``run`` for a statement that returns text and integers, which no type converts.

        In a transaction on SQLite, the driver executes it from the second time on. The first time,
        SQLAlchemy may have a compiled statement of the same structure.
        """
        driver = driver_of(connection) if self._has_run else None
        self._has_run = True
        if driver is not None:
            with suppress(NeedsSQLAlchemy):
                return driver.run(self.prepared(driver, parameters), parameters)
        return self.run(connection, parameters)

    def prepared(self, connection: DirectConnection, parameters: Mapping[str, Any]) -> Prepared:
        """Return the statement, compiled for the connection's dialect.

        Raises:
            NeedsSQLAlchemy: Only SQLAlchemy can execute it.
        """
        if self._prepared is None:
            self._prepared = connection.prepare(self.statement, parameters) or False
        if self._prepared is False:
            raise NeedsSQLAlchemy(self.statement)
        return self._prepared

    def bound(self, parameters: Mapping[str, Any], read: Callable[[Any], T_co]) -> "Bound[T_co]":
        """Bind values to the statement, as work for ``Database.run_async``.

        Args:
            parameters: The values.
            read: Makes the result of the rows.
        """
        return Bound(self, parameters, read)

    def first(self, parameters: Mapping[str, Any]) -> "Bound[Any]":
        """Bind values; the result is the first row or None."""
        return Bound(self, parameters, lambda rows: rows.first())

    def one(self, parameters: Mapping[str, Any]) -> "Bound[Any]":
        """Bind values; the result is the only row."""
        return Bound(self, parameters, lambda rows: rows.one())


class Bound(Generic[T_co]):
    """A statement with its values, and a function that makes the result of its rows.

    It is a unit of work that is known to consist of this statement only. On PostgreSQL it
    therefore needs no greenlet, in which SQLAlchemy waits for an async driver. The statement
    returns text and integers, because the driver's values are not converted.

    Args:
        plan: The statement.
        parameters: Its values.
        read: Makes the result of the rows.
    """

    __slots__ = ("parameters", "plan", "read")

    def __init__(
        self, plan: Plan, parameters: Mapping[str, Any], read: Callable[[Any], T_co]
    ) -> None:
        self.plan = plan
        self.parameters = parameters
        self.read = read

    def __call__(self, connection: Connection) -> T_co:
        return self.read(self.plan.run_as_text(connection, self.parameters))


class PlannedWork(Generic[T_co]):
    """A unit of work that executes plans only, in one transaction, so that the driver can."""

    __slots__ = ()

    def __call__(self, connection: Connection) -> T_co:
        """Execute the plans."""
        raise NotImplementedError  # implemented by every subclass


class StatementBatch(PlannedWork[list[T_co]]):
    """Statements with their values, to be executed in one transaction.

    It is a unit of work that is known to consist of these statements only.

    Args:
        statements: The statements.
    """

    __slots__ = ("statements",)

    def __init__(self, statements: Sequence[Bound[T_co]]) -> None:
        self.statements = statements

    def __call__(self, connection: Connection) -> list[T_co]:
        return [statement(connection) for statement in self.statements]
