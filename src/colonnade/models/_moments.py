"""A row that was given naive datetimes shows the moments it stored: aware, in UTC."""

from datetime import datetime
from typing import Any

from sqlalchemy import event

from colonnade.models._types import as_utc


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
                setattr(row, name, as_utc(value))

    event.listen(model, "before_insert", convert)
    event.listen(model, "before_update", convert)
