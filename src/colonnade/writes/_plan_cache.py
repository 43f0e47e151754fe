"""The plan cache of a table: statements built once for all requests of the same structure."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from colonnade.database import Plan

MAX_PLANS = 500
"""Maximum number of plans in a cache: clients can send any number of request structures."""


MAX_LENGTH = 100_000
"""Maximum total length of the structures in a cache, in characters. A plan takes about a hundred
bytes of memory for each."""


class PlanCache:
    """A least-recently-used cache of the plans of one table, for several threads."""

    def __init__(self) -> None:
        self._plans: OrderedDict[object, Plan] = OrderedDict()
        self._length = 0
        self._lock = Lock()

    def get(self, structure: object | None, make: Callable[[], Plan]) -> Plan:
        """Return the plan of a structure, built by ``make`` if it is new; None is never cached."""
        if structure is None:
            return make()
        with self._lock:
            plan = self._plans.get(structure)
            if plan is not None:
                self._plans.move_to_end(structure)
                return plan
        new_plan = make()
        with self._lock:
            plan = self._plans.setdefault(structure, new_plan)
            if plan is new_plan:
                self._length += len(repr(structure))
                self._forget()
        return plan

    def _forget(self) -> None:
        """Forget the plans that have not been used for longest, if there are too many."""
        while len(self._plans) > MAX_PLANS or (self._length > MAX_LENGTH and len(self._plans) > 1):
            forgotten, _ = self._plans.popitem(last=False)
            self._length -= len(repr(forgotten))
