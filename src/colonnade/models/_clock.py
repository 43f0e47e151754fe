"""What time it is, for the timestamps of rows: a clock that tests can stop."""

from datetime import UTC, datetime

_stopped_at: datetime | None = None


def now() -> datetime:
    """The time: aware, in UTC."""
    return _stopped_at or datetime.now(UTC)


def stop_clock(moment: datetime | None) -> datetime | None:
    """Have ``now`` answer this moment, for every thread.

    Args:
        moment: An aware datetime; None lets the clock go on.

    Returns:
        Where it was stopped before; None if it went.
    """
    global _stopped_at
    before, _stopped_at = _stopped_at, moment
    return before


def first_version(context: object = None) -> int:
    """What the versions of a new row count from: the clock, in milliseconds.

    Where a row is deleted and its key used again, the versions of the old row are not those of the
    new one. Of the clock it has 30 bits, 12 days, so that an INTEGER holds as many updates more.

    Args:
        context: SQLAlchemy's, of which nothing is asked.
    """
    return int(now().timestamp() * 1000) % 2**30 + 1


first_version.needs_context = False  # type: ignore[attr-defined]  # the same for all of a statement


def next_version(version: int | None) -> int:
    """The version after another, for the ORM; of a row that is new, the first."""
    return first_version() if version is None else version + 1
