"""``frozen``: stops the clock of ``Timestamps`` at a time that the test chooses."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from colonnade.models import stop_clock


class FrozenClock:
    """The stopped clock of ``Timestamps``.

    Attributes:
        moment: Its time: aware, in UTC.
    """

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def set(self, moment: datetime) -> None:
        """Set the clock; a naive datetime is local time."""
        self.moment = moment.astimezone(UTC)
        stop_clock(self.moment)

    def tick(self, seconds: float = 1.0) -> None:
        """Move the clock forward."""
        self.set(self.moment + timedelta(seconds=seconds))


@contextmanager
def frozen(moment: datetime | None = None) -> Iterator[FrozenClock]:
    """Set ``created_at`` and ``updated_at`` of ``Timestamps`` to a fixed time.

    It applies to rows written by sessions, requests and Core statements. The ``now()`` of the
    database, as in a ``server_default``, is not affected.

    Args:
        moment: The time; a naive datetime is local time. By default the current time.

    Yields:
        The clock, which ``tick(seconds)`` and ``set(moment)`` move.

    Example:
        ```python
        with frozen(datetime(2026, 1, 1, tzinfo=UTC)) as clock:
            client.post("/tasks", json={"title": "First"})
            clock.tick(60)
            client.post("/tasks", json={"title": "A minute later"})
        ```
    """
    clock = FrozenClock((moment or datetime.now(UTC)).astimezone(UTC))
    before = stop_clock(clock.moment)
    try:
        yield clock
    finally:
        stop_clock(before)
