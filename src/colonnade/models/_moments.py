"""A row shows the moments it has stored: aware, in UTC, as reading it back would."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event

from colonnade.models._types import as_utc


def show_as_stored(model: type[Any], names: frozenset[str]) -> None:
    """Have the rows of a table show their datetimes in UTC once they are stored.

    Args:
        model: The table.
        names: Its aware datetime columns.
    """
    if not names:
        return

    def convert(mapper: object, connection: object, row: Any) -> None:
        for name in names:
            value = row.__dict__.get(name)
            if isinstance(value, datetime) and value.tzinfo is not UTC:
                setattr(row, name, as_utc(value))

    event.listen(model, "before_insert", convert)
    event.listen(model, "before_update", convert)
