"""SQL literals of values, in the form in which a column type stores them on each database."""

from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from enum import Enum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from colonnade.migrations.operations._base import by_dialect, bytes_literal
from colonnade.migrations.operations._types import POSTGRESQL, SQLITE, native_enum, postgresql_type

_EPOCH = datetime(1970, 1, 1)
_PLAIN = frozenset((str, int, float, bool, bytes))


def portable_value(value: Any, type_: TypeEngine[Any]) -> Any:
    """Return a value as a revision writes it: plain Python if both databases store it, else SQL.

    Args:
        value: A value of the model's field, or an SQL expression.
        type_: The column's type.
    """
    if value is None or isinstance(value, sa.ClauseElement):
        return value
    stored = _bind_value(value, type_)
    if type(stored) in _PLAIN and not isinstance(_undecorated(type_), sa.JSON | sa.ARRAY):
        return stored
    texts = {
        dialect.name: stored_literal(value, type_, dialect) for dialect in (SQLITE, POSTGRESQL)
    }
    if texts["sqlite"] == texts["postgresql"]:
        return sa.text(texts["sqlite"].replace(":", "\\:"))
    return by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])


def stored_literal(value: Any, type_: TypeEngine[Any], dialect: Dialect) -> str:
    """Return a value as an SQL literal, in the form in which a column of the type stores it.

    Args:
        value: The value.
        type_: The column's type.
        dialect: The database's dialect.
    """
    on_postgresql = dialect.name == "postgresql"
    base = _undecorated(type_)
    bound = _bind_value(value, type_)
    if isinstance(bound, bytes):
        return bytes_literal(bound, dialect)
    if isinstance(base, sa.JSON) or (isinstance(base, sa.ARRAY) and not on_postgresql):
        return _quoted(to_json(bound).decode())
    if isinstance(bound, timedelta) and not on_postgresql:
        return _quoted((_EPOCH + bound).isoformat(" ", "microseconds"))
    expression = sa.literal(value, type_)
    sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return f"{sql}::{postgresql_type(type_)}" if isinstance(base, sa.ARRAY) else sql


RANDOM_UUID = by_dialect(
    sqlite=(
        "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || "
        "substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || "
        "hex(randomblob(6)))"
    ),
    postgresql="gen_random_uuid()",
)
"""SQL for a random UUID (RFC 9562, version 4) in each row, as a UUID column stores it."""

_HYPHENATED = (
    "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || "
    "substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || "
    "substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))"
)
RANDOM_UUID_TEXT = by_dialect(sqlite=_HYPHENATED, postgresql="gen_random_uuid()::text")
RANDOM_HEX = by_dialect(
    sqlite=RANDOM_UUID.texts["sqlite"],
    postgresql="replace(gen_random_uuid()::text, '-', '')",
)


def sql_default_for(first: Any, second: Any) -> Any:
    """Return SQL that does what a default factory does, for each row; None if unknown.

    Args:
        first: A value that the factory returned.
        second: A different value that it returned.
    """
    if isinstance(first, datetime) and isinstance(second, datetime):
        return sa.func.now()
    if isinstance(first, UUID):
        return RANDOM_UUID
    if isinstance(first, str) and _is_uuid(first) and _is_uuid(str(second)):
        return RANDOM_UUID_TEXT if "-" in first else RANDOM_HEX
    return None


def _is_uuid(text: str) -> bool:
    try:
        return text in (str(UUID(text)), UUID(text).hex)
    except ValueError:
        return False


NEUTRAL: tuple[tuple[type[TypeEngine[Any]], Any], ...] = (
    (sa.Boolean, False),
    (sa.Uuid, UUID(int=0)),
    (sa.Interval, timedelta(0)),
    (sa.Integer, 0),
    (sa.Numeric, 0),
    (sa.Float, 0.0),
    (sa.LargeBinary, b""),
    (sa.Time, time(0)),
    (sa.DateTime, sa.func.now()),
    (sa.Date, sa.text("CURRENT_DATE")),
    (sa.JSON, []),
    (sa.ARRAY, []),
)
"""The neutral value of each type, for rows that lack a required value."""


def neutral_value(type_: TypeEngine[Any]) -> Any:
    """Return the neutral value of a type, as a revision writes it."""
    if isinstance(_undecorated(type_), sa.ARRAY):
        return by_dialect(sqlite="'[]'", postgresql="'{}'")
    neutral = next((value for base, value in NEUTRAL if isinstance(_undecorated(type_), base)), "")
    return portable_value(neutral, type_)


def candidate_values(type_: TypeEngine[Any], mentioned: list[str]) -> list[Any]:
    """Return values of a type that a CHECK may accept, the most likely first.

    Args:
        type_: The type.
        mentioned: The numbers and string literals in the CHECK.
    """
    base = _undecorated(type_)
    numbers = [float(literal) for literal in mentioned if not literal.startswith("'")]
    texts = [literal[1:-1].replace("''", "'") for literal in mentioned if literal.startswith("'")]
    if isinstance(base, sa.Integer):
        near = [int(number) + more for number in numbers for more in (0, 1, -1)]
        return [0, 1, -1, *near]
    if isinstance(base, sa.Numeric | sa.Float):
        return [0, 1, -1, *(number + more for number in numbers for more in (0, 1, -1, 0.5, -0.5))]
    if isinstance(base, sa.Date | sa.DateTime | sa.Time):
        near = [nearby for text in texts for nearby in _nearby_times(base, text)]
        return [neutral_value(type_), *(portable_value(candidate, type_) for candidate in near)]
    if isinstance(base, sa.LargeBinary):
        return [b"", *(b"0" * int(number) for number in numbers if 0 < number < 10_000)]
    if isinstance(base, sa.JSON):
        lists = [sa.text(_quoted(to_json([None] * int(number)).decode())) for number in numbers
                 if 0 < number < 1000]  # fmt: skip
        return [sa.text("'[]'"), sa.text("'{}'"), *lists]
    if isinstance(base, sa.String):
        lengths = ["x" * int(number) for number in numbers if 0 < number < 10_000]
        return ["", *texts, *lengths]
    return [neutral_value(type_)]


def _nearby_times(type_: TypeEngine[Any], text: str) -> list[Any]:
    """Parse a date or time, and return it with the day before and the day after."""
    try:
        clock_time = time.fromisoformat(text) if isinstance(type_, sa.Time) else None
        instant = datetime.fromisoformat(text) if clock_time is None else None
    except ValueError:
        return []
    if instant is None:
        return [clock_time]
    near = [instant + timedelta(days=days) for days in (0, 1, -1)]
    if isinstance(type_, sa.Date):
        return [candidate.date() for candidate in near]
    aware = getattr(type_, "timezone", False)
    return [
        candidate.replace(tzinfo=candidate.tzinfo or (UTC if aware else None)) for candidate in near
    ]


def _undecorated(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return SQLAlchemy's type under the type decorators."""
    while isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval | sa.Enum):
        type_ = type_.impl_instance
    return type_


def _bind_value(value: Any, type_: TypeEngine[Any]) -> Any:
    """Return a value as the type passes it to the driver; an enum member as it is stored."""
    enum = type_ if isinstance(type_, sa.Enum) else native_enum(type_)
    if enum is not None and isinstance(value, Enum):
        stored: Any = enum
        return str(stored.bind_processor(SQLITE)(value))
    while isinstance(type_, TypeDecorator) and not isinstance(type_, sa.Interval):
        with suppress(NotImplementedError):  # the decorator leaves values unchanged
            value = type_.process_bind_param(value, SQLITE)
        type_ = type_.impl_instance
    return value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
