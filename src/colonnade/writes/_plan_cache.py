"""The plan cache of a Resource: statements built once for all requests of the same structure."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from colonnade.database import Plan

MAX_PLANS = 500
"""Maximum number of plans in a cache: clients can send any number of request structures."""


MAX_LENGTH = 100_000
"""Maximum total length of the structures in a cache, in characters. A plan takes about a hundred
bytes of memory for each."""


class PlanCache:
    """A least-recently-used cache of the plans of one Resource."""

    def __init__(self) -> None:
        self._plans: OrderedDict[object, Plan] = OrderedDict()
        self._length = 0

    def get(self, structure: object | None, make: Callable[[], Plan]) -> Plan:
        """Return the plan of a structure, built by ``make`` if it is new; None is never cached."""
        if structure is None:
            return make()
        plan = self._plans.get(structure)
        if plan is None:
            plan = self._plans[structure] = make()
            self._length += len(repr(structure))
            while len(self._plans) > MAX_PLANS or (
                self._length > MAX_LENGTH and len(self._plans) > 1
            ):
                forgotten, _ = self._plans.popitem(last=False)
                self._length -= len(repr(forgotten))
        else:
            self._plans.move_to_end(structure)
        return plan


class Explain(Executable, ClauseElement):
    """PostgreSQL's EXPLAIN of a SELECT, as JSON."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **kwargs: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **kwargs)}"
