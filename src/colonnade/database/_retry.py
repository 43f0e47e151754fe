"""When a unit of work is run again, and after how long: no I/O of its own."""

import random
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError

ATTEMPTS = 6
"""How often a unit of work is run before its error is raised."""

FIRST_DELAY = 0.02
"""Seconds before the second attempt, at most; each further delay is up to twice as long."""

_AGAIN = frozenset(("40001", "40P01"))
"""serialization_failure and deadlock_detected: the server took the whole unit back, and asks
for another try. https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html"""


def can_run_again(error: BaseException) -> bool:
    """Whether the database undid the whole unit of work and another try may succeed."""
    if not isinstance(error, DBAPIError):
        return False
    return _sqlstate(error.orig) in _AGAIN or "database is locked" in str(error.orig)


def _sqlstate(error: BaseException | None) -> str | None:
    while error is not None:
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str):
            return state
        error = error.__cause__
    return None


def delays() -> Iterator[float]:
    """Seconds to wait after each failed attempt but the last.

    Random, so that two units of work that met once do not meet again.
    """
    for attempt in range(ATTEMPTS - 1):
        yield random.uniform(0, FIRST_DELAY * 2**attempt)  # noqa: S311 - no secret
