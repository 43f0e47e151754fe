"""Stored times of a local time zone as UTC, and back: what ``AT TIME ZONE`` does, for SQLite."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, DateTime
from sqlalchemy.types import TypeEngine

from colonnade.errors import MigrationError

TO_UTC = "colonnade_to_utc"
"""An SQL function: ``(time, zone)``, a local time as UTC; NULL if it is not a time."""
FROM_UTC = "colonnade_from_utc"
"""An SQL function: ``(time, zone)``, a time in UTC as a local time; NULL if it is not a time."""


def changes_time_zone(old: TypeEngine[Any], new: TypeEngine[Any]) -> bool:
    """Whether a column of times gets or loses its time zone."""
    return isinstance(old, DateTime) and isinstance(new, DateTime) and old.timezone != new.timezone


def check_zone(zone: str) -> None:
    """Refuse the name of a time zone that does not exist.

    Raises:
        MigrationError: The time zone does not exist.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MigrationError(
            f"Unknown time zone {zone!r}. Use an IANA name such as UTC or Europe/Berlin."
        ) from None


def define_time_zone_functions(connection: Connection) -> None:
    """Give a connection of SQLite the functions that convert times."""
    driver: Any = connection.connection.driver_connection
    driver.create_function(TO_UTC, 2, to_utc, deterministic=True)
    driver.create_function(FROM_UTC, 2, from_utc, deterministic=True)


def to_utc(text: object, zone: str) -> str | None:
    """A local time as UTC, in SQLAlchemy's format; None if it is not a time.

    A time that occurs twice, or not at all, has the smaller of its two offsets, as in PostgreSQL:
    https://www.postgresql.org/docs/current/datetime-invalid-input.html
    """
    try:
        time = datetime.fromisoformat(str(text))
        if time.tzinfo is not None:
            return _written(time.astimezone(UTC))
        offsets = (time.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1))
        return _written(time - min(offset or timedelta() for offset in offsets))
    except (ValueError, OverflowError):  # the year 0 or 10000
        return None


def from_utc(text: object, zone: str) -> str | None:
    """A time in UTC as a local time, in SQLAlchemy's format; None if it is not a time."""
    try:
        time = datetime.fromisoformat(str(text))
        aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
        return _written(aware.astimezone(ZoneInfo(zone)))
    except (ValueError, OverflowError):
        return None


def _written(time: datetime) -> str:
    # Not strftime(): glibc does not pad the year.
    return time.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
