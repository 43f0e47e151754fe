"""Plans: statements that are made once for all requests of one shape."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

from sqlalchemy import Connection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from colonnade.database import DirectConnection, NotDirect, Prepared

MOST = 500
"""Plans kept by each Resource: shapes of requests, of which a client can make up many."""


class Plan:
    """A statement that is made once; SQLAlchemy keeps its SQL text.

    Args:
        statement: The statement, its values as named parameters.
        once: Whether it will not come again, so that its text is not kept.
    """

    __slots__ = ("_options", "_prepared", "statement")

    def __init__(self, statement: Executable, *, once: bool = False) -> None:
        self.statement = statement
        self._options: dict[str, Any] = {"compiled_cache": None} if once else {}
        self._prepared: Prepared | Literal[False] | None = None

    def run(self, connection: Connection | DirectConnection, parameters: dict[str, Any]) -> Any:
        """Execute it: rows, in what is asked as SQLAlchemy's result is."""
        if not isinstance(connection, DirectConnection):
            return connection.execute(self.statement, parameters, execution_options=self._options)
        if self._prepared is None:
            self._prepared = connection.prepare(self.statement, parameters) or False
        if self._prepared is False:
            raise NotDirect(self.statement)
        return connection.run(self._prepared, parameters)


class Plans:
    """The plans of one Resource, the least used forgotten."""

    def __init__(self) -> None:
        self._plans: OrderedDict[object, Plan] = OrderedDict()

    def get(self, structure: object | None, make: Callable[[], Plan]) -> Plan:
        """The plan of a structure, made by ``make`` if it is new; always new for None."""
        if structure is None:
            return make()
        plan = self._plans.get(structure)
        if plan is None:
            plan = self._plans[structure] = make()
            if len(self._plans) > MOST:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(structure)
        return plan


class Explain(Executable, ClauseElement):
    """EXPLAIN of a SELECT, as JSON; PostgreSQL."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **kwargs: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **kwargs)}"
