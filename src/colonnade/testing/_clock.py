"""``frozen``: stops the clock of ``Timestamps`` at a time that the test chooses."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from colonnade.models import stop_clock


class FrozenClock:
    """The stopped clock of ``Timestamps``, which ``frozen`` yields.

    Args:
        moment: Its time: aware, in UTC.

    Attributes:
        moment: Its time: aware, in UTC.

    Examples:
        ```python
        from datetime import UTC, datetime

        from colonnade.testing import frozen

        with frozen(datetime(2026, 1, 1, tzinfo=UTC)) as clock:
            clock.tick(3600)
            print(clock.moment)  # 2026-01-01 01:00:00+00:00
            clock.set(datetime(2027, 1, 1, tzinfo=UTC))
            print(clock.moment.year)  # 2027
        ```
    """

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def set(self, moment: datetime) -> None:
        """Set the clock.

        Args:
            moment: The new time; a naive datetime is local time.
        """
        self.moment = moment.astimezone(UTC)
        stop_clock(self.moment)

    def tick(self, seconds: float = 1.0) -> None:
        """Move the clock forward.

        Args:
            seconds: By how many seconds.
        """
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

    Examples:
        ```python
        from datetime import UTC, datetime

        from colonnade import Database, Field, Timestamps
        from colonnade.testing import frozen


        class Task(Timestamps, table=True):
            id: int | None = Field(default=None, primary_key=True)


        db = Database("sqlite://")
        db.create_all()
        with frozen(datetime(2026, 1, 1, tzinfo=UTC)) as clock, db.session() as session:
            session.add(Task(id=1))
            session.commit()
            clock.tick(60)
            session.add(Task(id=2))
            session.commit()
            print(session.get_one(Task, 2).created_at)  # 2026-01-01 00:01:00+00:00
        ```
    """
    clock = FrozenClock((moment or datetime.now(UTC)).astimezone(UTC))
    before = stop_clock(clock.moment)
    try:
        yield clock
    finally:
        stop_clock(before)
