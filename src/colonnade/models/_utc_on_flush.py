"""Converts naive datetimes of a row to UTC on flush."""

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event

from colonnade.models._types import as_utc

UTC_TOLERANCE = timedelta(minutes=1)
"""A naive datetime within this distance of the time in UTC probably is in UTC."""

_warned: set[str] = set()


def convert_to_utc_on_flush(model: type[Any], names: frozenset[str]) -> None:
    """Convert naive datetimes of a table's rows to aware ones in UTC on flush.

    The row then has the same values as after a reload. Aware datetimes stay unchanged.

    Args:
        model: The table.
        names: Its aware datetime columns.
    """
    if not names:
        return

    def convert(mapper: object, connection: object, row: Any) -> None:
        for name in names:
            value = row.__dict__.get(name)
            if isinstance(value, datetime) and value.utcoffset() is None:
                setattr(row, name, local_as_utc(value, model, name))

    event.listen(model, "before_insert", convert)
    event.listen(model, "before_update", convert)


def local_as_utc(value: datetime, model: type[Any], name: str) -> datetime:
    """Convert a naive datetime of a row from local time to UTC.

    Warns, once per field, about a datetime that is in UTC already, which would be stored wrong.

    Args:
        value: The datetime.
        model: The table.
        name: The field.
    """
    field_path = f"{model.__name__}.{name}"
    utc_value = as_utc(value)
    if field_path not in _warned and _is_in_utc(value, utc_value, model.model_fields[name]):
        _warned.add(field_path)
        warnings.warn(
            f"{field_path} was set to a naive datetime in UTC, such as datetime.utcnow() returns. "
            f"Naive datetimes are treated as local time, so the stored time is off by the local "
            f"UTC offset. Use lambda: datetime.now(UTC), or the Timestamps mixin.",
            stacklevel=2,
        )
    return utc_value


def _is_in_utc(value: datetime, utc_value: datetime, field: Any) -> bool:
    """Whether a naive datetime is in UTC: from ``utcnow``, or close to the time only in UTC."""
    if getattr(field.default_factory, "__name__", "") == "utcnow":
        return True
    now = datetime.now(UTC)
    return abs(value.replace(tzinfo=UTC) - now) < UTC_TOLERANCE < abs(utc_value - now)
