"""Plans: statements that are made once, and run with other values each time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Connection
from sqlalchemy.sql.base import Executable

from colonnade.database.statements._driver_execution import DirectConnection, NotDirect, Prepared

T_co = TypeVar("T_co", covariant=True)


class Plan:
    """A statement that is made once; SQLAlchemy keeps its SQL text.

    Args:
        statement: The statement, its values as named parameters.
        once: Whether it will not come again, so that its text is not kept.
        longest: Bytes of a text that SQLite makes for it; it is an error to need more.
    """

    __slots__ = ("_options", "_prepared", "longest", "statement")

    def __init__(
        self, statement: Executable, *, once: bool = False, longest: int | None = None
    ) -> None:
        self.statement = statement
        self.longest = longest
        self._options: dict[str, Any] = {"compiled_cache": None} if once else {}
        self._prepared: Prepared | Literal[False] | None = None

    def run(self, connection: Connection | DirectConnection, parameters: Mapping[str, Any]) -> Any:
        """Execute it: rows, in what is asked as SQLAlchemy's result is."""
        if not isinstance(connection, DirectConnection):
            return connection.execute(
                self.statement, dict(parameters), execution_options=self._options
            )
        return connection.run(self.prepared(connection, parameters), parameters)

    def prepared(self, connection: DirectConnection, parameters: Mapping[str, Any]) -> Prepared:
        """It, compiled for the connection's dialect.

        Raises:
            NotDirect: Only SQLAlchemy can run it.
        """
        if self._prepared is None:
            self._prepared = connection.prepare(self.statement, parameters) or False
        if self._prepared is False:
            raise NotDirect(self.statement)
        return self._prepared

    def bound(self, parameters: Mapping[str, Any], read: Callable[[Any], T_co]) -> "Bound[T_co]":
        """It with its values: work for ``Database.run_async``.

        Args:
            parameters: The values.
            read: Makes the result of what was found.
        """
        return Bound(self, parameters, read)

    def first(self, parameters: Mapping[str, Any]) -> "Bound[Any]":
        """``bound``: the first row that it finds, or None."""
        return Bound(self, parameters, lambda rows: rows.first())

    def one(self, parameters: Mapping[str, Any]) -> "Bound[Any]":
        """``bound``: the only row that it finds."""
        return Bound(self, parameters, lambda rows: rows.one())


class Bound(Generic[T_co]):
    """One statement with its values, and what to make of what it finds.

    A unit of work like any other, of which it is known beforehand that it is this statement and
    nothing else: no call has to wait inside it, which is what greenlets are for.

    Args:
        plan: The statement.
        parameters: Its values.
        read: Makes the result of what was found.
    """

    __slots__ = ("parameters", "plan", "read")

    def __init__(
        self, plan: Plan, parameters: Mapping[str, Any], read: Callable[[Any], T_co]
    ) -> None:
        self.plan = plan
        self.parameters = parameters
        self.read = read

    def __call__(self, connection: Connection) -> T_co:
        return self.read(self.plan.run(connection, self.parameters))


class StatementBatch(Generic[T_co]):
    """Statements with their values, in one transaction.

    A unit of work of which it is known beforehand that it is these statements and nothing else.

    Args:
        statements: The statements.
    """

    __slots__ = ("statements",)

    def __init__(self, statements: Sequence[Bound[T_co]]) -> None:
        self.statements = statements

    def __call__(self, connection: Connection) -> list[T_co]:
        return [statement(connection) for statement in self.statements]
