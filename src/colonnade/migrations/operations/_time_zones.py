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
_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


def changes_time_zone(old: TypeEngine[Any], new: TypeEngine[Any]) -> bool:
    """Whether a column of times gets or loses its time zone."""
    return isinstance(old, DateTime) and isinstance(new, DateTime) and old.timezone != new.timezone


def check_zone(zone: str) -> None:
    """Refuse the name of a time zone that does not exist.

    Raises:
        MigrationError: There is no such time zone.
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
    """A local time as UTC, in SQLAlchemy's format.

    A time that occurs twice, or not at all, has the smaller of its two offsets, as in PostgreSQL:
    https://www.postgresql.org/docs/current/datetime-invalid-input.html
    """
    time = _parsed(text)
    if time is None or time.tzinfo is not None:
        return None if time is None else time.astimezone(UTC).strftime(_FORMAT)
    offsets = (time.replace(tzinfo=ZoneInfo(zone), fold=fold).utcoffset() for fold in (0, 1))
    try:
        return (time - min(offset or timedelta() for offset in offsets)).strftime(_FORMAT)
    except OverflowError:
        return None


def from_utc(text: object, zone: str) -> str | None:
    """A time in UTC as a local time, in SQLAlchemy's format."""
    time = _parsed(text)
    if time is None:
        return None
    aware = time if time.tzinfo is not None else time.replace(tzinfo=UTC)
    try:
        return aware.astimezone(ZoneInfo(zone)).strftime(_FORMAT)
    except OverflowError:
        return None


def _parsed(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None
