"""Decide whether and when to retry a unit of work. No I/O."""

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
"""Maximum number of attempts at a unit of work."""

FIRST_DELAY = 0.02
"""Maximum delay before the second attempt, in seconds. It doubles with each further attempt."""


class Attempts:
    """The attempts at one unit of work: whether to retry after an error, and when.

    Work that the database rolled back is retried. Work whose connection was lost is retried if it
    cannot have been committed, or if it is idempotent.

    Args:
        outage: Notified when the server no longer accepts writes.
        idempotent: Whether running the unit twice has the same outcome as running it once.
        autocommit: Whether each statement commits immediately.
        timeout: Seconds after which no further attempt begins; None for no limit.

    Attributes:
        committing: Whether COMMIT may have been sent.
        committed: Whether the unit has committed a part of its work, which a rollback cannot undo.
            It is never retried then.
    """

    def __init__(
        self,
        outage: Outage,
        *,
        idempotent: bool = False,
        autocommit: bool = False,
        timeout: float | None = None,
    ) -> None:
        self._outage = outage
        self._deadline = inf if timeout is None else time.monotonic() + timeout
        self._idempotent = idempotent
        self._autocommit = autocommit
        self._pauses = delays()
        self.committing = autocommit
        self.committed = False

    def watch(self, session: Session) -> None:
        """Notice when the unit of work commits its session itself."""

        @event.listens_for(session, "after_commit")
        def note(session: Session) -> None:
            # Releasing a savepoint triggers this event too.
            self.committed = self.committed or not session.in_nested_transaction()

    def pause_after(self, error: Exception) -> float | None:
        """Return the seconds to wait before the next attempt; None if the error must be raised.

        Raises:
            UncertainCommitError: The connection was lost, and the unit may or may not have been
                committed.
        """
        error_kind = error_kind_of(error)
        if error_kind is ErrorKind.MOVED:
            self._outage.demoted_at = time.monotonic()
        outcome_unknown = error_kind in {ErrorKind.LOST, ErrorKind.STALLED}
        if outcome_unknown and self.committing and not self._idempotent:
            raise UncertainCommitError(
                "The connection was lost or timed out after the last statement was sent, so it is "
                "not known whether the statement took effect. Check the data before you retry, "
                "or pass idempotent=True if it is safe to run twice."
            ) from error
        is_retryable = error_kind in {ErrorKind.CONFLICT, ErrorKind.LOST, ErrorKind.MOVED}
        if not is_retryable or self.committed or time.monotonic() > self._deadline:
            return None
        self.committing = self._autocommit
        return next(self._pauses, None)


def delays() -> Iterator[float]:
    """Yield the seconds to wait after each failed attempt except the last.

    They are random, so that two conflicting units of work do not conflict again.
    """
    for attempt in range(ATTEMPTS - 1):
        yield random.uniform(0, FIRST_DELAY * 2**attempt)  # noqa: S311 - no secret
