"""A row that was given naive datetimes shows the moments it stored: aware, in UTC."""

import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event

from colonnade.models._types import as_utc

CLOSE = timedelta(minutes=1)
"""How near to the time in UTC a naive datetime is taken for that, rather than for local time."""

_warned: set[str] = set()


def show_as_stored(model: type[Any], names: frozenset[str]) -> None:
    """Have the rows of a table show naive datetimes in UTC once they are stored.

    Read back they are aware, and a response must not depend on who asks. An aware datetime says
    what it means, and stays the object it is.

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
    """A naive datetime of a row as the moment that it is in local time.

    Warns, once for each field, of one that is in UTC already: it is stored hours off.

    Args:
        value: The datetime.
        model: The table.
        name: The field.
    """
    where = f"{model.__name__}.{name}"
    moment = as_utc(value)
    if where not in _warned and _is_in_utc(value, moment, model.model_fields[name]):
        _warned.add(where)
        warnings.warn(
            f"{where} was given the time in UTC as a datetime without an offset "
            f"(datetime.utcnow does that), which is taken as local time and stored hours off. "
            f"Use lambda: datetime.now(UTC), or the Timestamps mixin.",
            stacklevel=2,
        )
    return moment


def _is_in_utc(value: datetime, moment: datetime, field: Any) -> bool:
    """Whether a naive datetime is in UTC: by what made it, or as it is now and not here."""
    if getattr(field.default_factory, "__name__", "") == "utcnow":
        return True
    now = datetime.now(UTC)
    return abs(value.replace(tzinfo=UTC) - now) < CLOSE < abs(moment - now)
