"""When a unit of work is run again, and after how long. It does no I/O."""

import random
import time
from collections.abc import Iterator
from math import inf

from sqlalchemy import event
from sqlalchemy.orm import Session

from colonnade.database.replicas._outages import Outage
from colonnade.database.statements._error_kinds import ErrorKind, error_kind_of
from colonnade.errors import UncertainCommitError

ATTEMPTS = 6
"""How often a unit of work is run before its error is raised."""

FIRST_DELAY = 0.02
"""Seconds before the second attempt, at most; each further delay is up to twice as long."""


class Attempts:
    """The attempts at one unit of work: whether another follows an error, and when.

    What the database undid is run again. What was cut off is run again if it cannot have been
    committed, or if it does not matter how often it is.

    Args:
        outage: What is known of the server; notified when the server stops accepting writes.
        idempotent: Whether the unit may be carried out twice, and the outcome is the same.
        at_once: Whether each of its statements is committed with itself.
        patience: Seconds after which no other attempt begins; None for no limit.

    Attributes:
        committing: Whether COMMIT may have been sent.
        committed: Whether the unit has committed a part of itself, which no rollback undoes: it is
            not run again then, even if it is idempotent.
    """

    def __init__(
        self,
        outage: Outage,
        *,
        idempotent: bool = False,
        at_once: bool = False,
        patience: float | None = None,
    ) -> None:
        self._outage = outage
        self._until = inf if patience is None else time.monotonic() + patience
        self._idempotent = idempotent
        self._at_once = at_once
        self._pauses = delays()
        self.committing = at_once
        self.committed = False

    def watch(self, session: Session) -> None:
        """See whether the unit commits by itself."""

        @event.listens_for(session, "after_commit")
        def note(session: Session) -> None:
            # A savepoint that is released tells of itself in the same way.
            self.committed = self.committed or not session.in_nested_transaction()

    def pause_after(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None if there is none, and the error is to be raised.

        Raises:
            UncertainCommitError: The connection was lost, and nobody knows whether the unit was
                committed.
        """
        error_kind = error_kind_of(error)
        if error_kind is ErrorKind.MOVED:
            self._outage.moved = time.monotonic()
        unknown = error_kind in {ErrorKind.LOST, ErrorKind.STALLED}
        if unknown and self.committing and not self._idempotent:
            raise UncertainCommitError(
                "The connection was lost after the last statement was sent. It is not known "
                "whether it was executed."
            ) from error
        again = error_kind in {ErrorKind.CONFLICT, ErrorKind.LOST, ErrorKind.MOVED}
        if not again or self.committed or time.monotonic() > self._until:
            return None
        self.committing = self._at_once
        return next(self._pauses, None)


def delays() -> Iterator[float]:
    """Seconds to wait after each failed attempt but the last.

    Random, so that two units of work that met once do not meet again.
    """
    for attempt in range(ATTEMPTS - 1):
        yield random.uniform(0, FIRST_DELAY * 2**attempt)  # noqa: S311 - no secret
