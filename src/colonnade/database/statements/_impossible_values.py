"""Values that no row can have: integers that are too large for a column, and text with NUL.

Drivers refuse them before, or when, they send them. Endpoints take them from paths and queries.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import BigInteger, Dialect, Engine, Integer, SmallInteger, String, event, inspect
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, NoResultFound
from sqlalchemy.orm import Session as AnySession
from sqlmodel import AutoString, Session

_INT16 = range(-(2**15), 2**15)
"""The values of SMALLINT in PostgreSQL."""
_INT32 = range(-(2**31), 2**31)
"""The values of INTEGER in PostgreSQL."""
_INT64 = range(-(2**63), 2**63)
"""The values of BIGINT in PostgreSQL, and of every integer in SQLite."""


class CheckedKeySession(Session):
    """A session whose ``get`` returns None for a key that no row can have, as from a path."""

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """``Session.get``; None, without a query, for a key that no row can have."""
        return super().get(entity, ident, **options) if fits_key(entity, ident, self) else None

    def get_one(self, entity: Any, ident: Any, **options: Any) -> Any:
        """``Session.get_one``, without a query for a key that no row can have."""
        if not fits_key(entity, ident, self):
            raise NoResultFound("No row was found when one was required")
        return super().get_one(entity, ident, **options)


def fits_key(entity: Any, key: Any, session: AnySession) -> bool:
    """Whether a row of a mapped class can have a primary key.

    Only columns of plain integer and text types are judged: others may store another value.

    Args:
        entity: The class, or its mapper or alias.
        key: The value, the sequence of values, or the values by attribute.
        session: The session, whose database it asks.
    """
    values = _values_of(key)
    if not any(map(_is_suspect, values)):
        return True
    mapper = inspect(entity).mapper
    if isinstance(key, Mapping):
        columns = [mapper.columns.get(name) for name in key]
    else:
        columns = mapper.primary_key
    dialect = session.get_bind(mapper).dialect
    return all(_fits(*pair, dialect) for pair in zip(columns, values, strict=False))


def _values_of(key: Any) -> Collection[Any]:
    if isinstance(key, Mapping):
        return key.values()
    return key if isinstance(key, tuple | list) else (key,)


def _is_suspect(value: object) -> bool:
    return (isinstance(value, int) and value not in _INT16) or (
        isinstance(value, str) and "\0" in value
    )


def _fits(column: Any, value: object, dialect: Dialect) -> bool:
    type_ = None if column is None else column.type
    if isinstance(type_, Integer | String | AutoString):  # and no other TypeDecorator
        type_ = type_.dialect_impl(dialect)
    if isinstance(value, int) and isinstance(type_, Integer):
        return value in _range_of(type_, dialect)
    is_text = isinstance(value, str) and isinstance(type_, String | AutoString)
    return not (is_text and dialect.name == "postgresql" and "\0" in str(value))


def _range_of(type_: Integer, dialect: Dialect) -> range:
    if dialect.name == "sqlite" or isinstance(type_, BigInteger):
        return _INT64
    return _INT16 if isinstance(type_, SmallInteger) else _INT32


def translate_overflows(engine: Engine) -> None:
    """Raise ``DataError`` for an integer that SQLite cannot hold, as PostgreSQL's drivers do.

    Python's driver raises an ``OverflowError``, which SQLAlchemy does not wrap.
    """

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        error = context.original_exception
        if isinstance(error, OverflowError):
            raise out_of_range(context.statement, error) from error


def out_of_range(statement: str | None, error: OverflowError) -> DataError:
    """Return SQLAlchemy's error for an integer that SQLite cannot hold."""
    return DataError(statement, None, error, hide_parameters=True)
