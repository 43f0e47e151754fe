"""``frozen``: rows stored at a time that the test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from colonnade.models import stop_clock


class FrozenClock:
    """The clock of ``Timestamps``, which stands.

    Attributes:
        moment: What it shows: aware, in UTC.
    """

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def set(self, moment: datetime) -> None:
        """Show another moment; a naive one is local time."""
        self.moment = moment.astimezone(UTC)
        stop_clock(self.moment)

    def tick(self, seconds: float = 1.0) -> None:
        """Go on by some seconds."""
        self.set(self.moment + timedelta(seconds=seconds))


@contextmanager
def frozen(moment: datetime | None = None) -> Iterator[FrozenClock]:
    """Have ``created_at`` and ``updated_at`` of ``Timestamps`` be a moment of the test's choice.

    For rows written by sessions, requests and Core statements alike. What the database's own
    ``now()`` says, in a ``server_default`` of yours, is not touched.

    Args:
        moment: The moment; a naive one is local time. None: now.

    Yields:
        The clock: ``tick(seconds)`` and ``set(moment)`` move it.

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
