"""Values that no row can have: integers that are too large for a column, and text with NUL.

Drivers refuse them before, or when, they send them. Endpoints take them from paths and queries.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import BigInteger, Engine, Integer, event, inspect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

_INT32 = range(-(2**31), 2**31)
"""The values of INTEGER in PostgreSQL."""
_INT64 = range(-(2**63), 2**63)
"""The values of BIGINT in PostgreSQL, and of every integer in SQLite."""


def fits_key(entity: Any, key: Any, session: Session) -> bool:
    """Whether a row of a mapped class can have a primary key.

    Args:
        entity: The class, or its mapper or alias.
        key: The value, the tuple of values, or the values by attribute.
        session: The session, whose database it asks.
    """
    values = key.values() if isinstance(key, Mapping) else key if isinstance(key, tuple) else (key,)
    if not any(map(_is_suspect, values)):
        return True
    mapper = inspect(entity).mapper
    if isinstance(key, Mapping):
        columns = [mapper.columns[name] for name in key if name in mapper.columns]
    else:
        columns = mapper.primary_key
    is_sqlite = session.get_bind(mapper).dialect.name == "sqlite"
    return all(_fits(*pair, is_sqlite=is_sqlite) for pair in zip(columns, values, strict=False))


def _is_suspect(value: object) -> bool:
    return (isinstance(value, int) and value not in _INT32) or (
        isinstance(value, str) and "\0" in value
    )


def _fits(column: Any, value: object, *, is_sqlite: bool) -> bool:
    if isinstance(value, int) and isinstance(column.type, Integer):
        is_wide = is_sqlite or isinstance(column.type, BigInteger)
        return value in (_INT64 if is_wide else _INT32)
    return not (isinstance(value, str) and "\0" in value)


def translate_overflows(engine: Engine) -> None:
    """Raise ``DataError`` for an integer that SQLite cannot hold, as PostgreSQL's drivers do.

    Python's driver raises an ``OverflowError``, which SQLAlchemy does not wrap.
    """

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, OverflowError):
            raise DataError(context.statement, None, error, hide_parameters=True) from error
