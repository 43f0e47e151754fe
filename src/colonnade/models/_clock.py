"""The clock for the timestamps of rows, which tests can stop."""

from datetime import UTC, datetime

_stopped_at: datetime | None = None


def now() -> datetime:
    """The current time: aware, in UTC."""
    return _stopped_at or datetime.now(UTC)


def stop_clock(time: datetime | None) -> datetime | None:
    """Make ``now`` return this time in every thread.

    Args:
        time: An aware datetime; None starts the clock again.

    Returns:
        The time at which the clock was stopped before; None if it was running.
    """
    global _stopped_at
    previous, _stopped_at = _stopped_at, time
    return previous


def first_version(context: object = None) -> int:
    """The first version of a new row: the clock in milliseconds.

    If a key is used again after its row was deleted, the versions of the old and the new row
    differ. The version has 30 bits of the clock (12 days), which leaves room for a billion updates
    in an INTEGER column.

    Args:
        context: SQLAlchemy's execution context; not used.
    """
    return int(now().timestamp() * 1000) % 2**30 + 1


first_version.needs_context = False  # type: ignore[attr-defined]  # equal for all rows of a statement


def next_version(version: int | None) -> int:
    """The version after ``version``, for the ORM; None stands for a new row."""
    return first_version() if version is None else version + 1
