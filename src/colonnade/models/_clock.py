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
