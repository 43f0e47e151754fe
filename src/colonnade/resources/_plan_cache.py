"""The plans of a Resource: statements that are made once for all requests of one shape."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from colonnade.database import Plan

MOST = 500
"""Plans kept by each Resource: shapes of requests, of which a client can make up many."""


LONGEST = 100_000
"""Characters of the structures of all plans of a Resource: what a plan takes grows with it, to some
hundred times as many bytes."""


class PlanCache:
    """The plans of one Resource, the least used forgotten."""

    def __init__(self) -> None:
        self._plans: OrderedDict[object, Plan] = OrderedDict()
        self._length = 0

    def get(self, structure: object | None, make: Callable[[], Plan]) -> Plan:
        """The plan of a structure, made by ``make`` if it is new; always new for None."""
        if structure is None:
            return make()
        plan = self._plans.get(structure)
        if plan is None:
            plan = self._plans[structure] = make()
            self._length += len(repr(structure))
            while len(self._plans) > MOST or (self._length > LONGEST and len(self._plans) > 1):
                forgotten, _ = self._plans.popitem(last=False)
                self._length -= len(repr(forgotten))
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
