"""The time buckets of aggregates in Python: where a bucket starts, in a time zone."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Unit = Literal["hour", "day", "week", "month", "quarter", "year"]


def bucket_start(moment: datetime, unit: Unit, zone: str | None = None) -> datetime | date:
    """The start of the hour, or the first day of the period, in which a datetime is.

    Args:
        moment: The datetime: aware in UTC, or naive.
        unit: The period; a week starts on Monday (ISO 8601).
        zone: The time zone of the days; None for those of ``moment``.

    Returns:
        For ``hour`` a datetime like ``moment``, so that the two hours of a change from summer time
        differ; for other units a date.

    Raises:
        OverflowError: In the time zone, the datetime is outside of the years 1 to 9999.
    """
    local = moment if zone is None else moment.astimezone(_zone(zone))
    if unit == "hour":
        return moment - timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
    return first_day(local.date(), unit)


def first_day(day: date, unit: Unit) -> date:
    """The first day of the period in which a day is."""
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit in {"day", "hour"}:
        return day
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[unit]
    return day.replace(month=month, day=1)


def start_text(text: str, unit: Unit, zone: str) -> str | None:
    """The start of the bucket of a UTC datetime, as SQLAlchemy stores it; None out of range."""
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    try:
        start = bucket_start(moment, unit, zone)
    except OverflowError:
        return None
    if isinstance(start, datetime):
        return start.replace(tzinfo=None).isoformat(" ", "microseconds")
    return start.isoformat()


_zone = lru_cache(maxsize=64)(ZoneInfo)
