"""Values as SQL, each as the model's own column type stores it on each database."""

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


def plain_value(value: Any, kind: TypeEngine[Any]) -> Any:
    """A value as a revision writes it: plain Python if both databases store that, else SQL.

    Args:
        value: A value of the model's field, or a SQL expression.
        kind: The type of its column.
    """
    if value is None or isinstance(value, sa.ClauseElement):
        return value
    stored = _bound(value, kind)
    if type(stored) in _PLAIN and not isinstance(_base(kind), sa.JSON | sa.ARRAY):
        return stored
    texts = {dialect.name: stored_literal(value, kind, dialect) for dialect in (SQLITE, POSTGRESQL)}
    if texts["sqlite"] == texts["postgresql"]:
        return sa.text(texts["sqlite"].replace(":", "\\:"))
    return by_dialect(sqlite=texts["sqlite"], postgresql=texts["postgresql"])


def stored_literal(value: Any, kind: TypeEngine[Any], dialect: Dialect) -> str:
    """A value as SQL of a database, of the form in which a column of a type stores it.

    Args:
        value: The value.
        kind: The column's type.
        dialect: The database's.
    """
    on_postgresql = dialect.name == "postgresql"
    base = _base(kind)
    bound = _bound(value, kind)
    if isinstance(bound, bytes):
        return bytes_literal(bound, dialect)
    if isinstance(base, sa.JSON) or (isinstance(base, sa.ARRAY) and not on_postgresql):
        return _quoted(to_json(bound).decode())
    if isinstance(bound, timedelta) and not on_postgresql:
        return _quoted((_EPOCH + bound).isoformat(" ", "microseconds"))
    expression = sa.literal(value, kind)
    sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    return f"{sql}::{postgresql_type(kind)}" if isinstance(base, sa.ARRAY) else sql


RANDOM_UUID = by_dialect(
    sqlite=(
        "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || "
        "substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || "
        "hex(randomblob(6)))"
    ),
    postgresql="gen_random_uuid()",
)
"""Another random UUID (RFC 9562, version 4) for each row, as a UUID column stores it."""

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


def for_each_row(first: Any, second: Any) -> Any:
    """SQL that makes values such as two results of a default factory; None if none is known.

    Args:
        first: A result.
        second: Another, which differs.
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
"""What stands for nothing in a type, for rows that have no value where one is needed."""


def neutral_value(kind: TypeEngine[Any]) -> Any:
    """What stands for nothing in a type, as a revision writes it."""
    neutral = next((value for base, value in NEUTRAL if isinstance(_base(kind), base)), "")
    if isinstance(_base(kind), sa.ARRAY):
        return by_dialect(sqlite="'[]'", postgresql="'{}'")
    return plain_value(neutral, kind)


def candidates(kind: TypeEngine[Any], mentioned: list[str]) -> list[Any]:
    """Values of a type that a CHECK may accept, the likeliest first.

    Args:
        kind: The type.
        mentioned: The numbers and quoted texts in the CHECK.
    """
    base = _base(kind)
    numbers = [float(text) for text in mentioned if not text.startswith("'")]
    texts = [text[1:-1].replace("''", "'") for text in mentioned if text.startswith("'")]
    if isinstance(base, sa.Integer):
        near = [int(number) + more for number in numbers for more in (0, 1, -1)]
        return [0, 1, -1, *near]
    if isinstance(base, sa.Numeric | sa.Float):
        return [0, 1, -1, *(number + more for number in numbers for more in (0, 1, -1, 0.5, -0.5))]
    if isinstance(base, sa.Date | sa.DateTime | sa.Time):
        near = [near for text in texts for near in _moments(base, text)]
        return [neutral_value(kind), *(plain_value(neighbour, kind) for neighbour in near)]
    if isinstance(base, sa.LargeBinary):
        return [b"", *(b"0" * int(number) for number in numbers if 0 < number < 10_000)]
    if isinstance(base, sa.JSON):
        lists = [sa.text(_quoted(to_json([None] * int(number)).decode())) for number in numbers
                 if 0 < number < 1000]  # fmt: skip
        return [sa.text("'[]'"), sa.text("'{}'"), *lists]
    if isinstance(base, sa.String):
        lengths = ["x" * int(number) for number in numbers if 0 < number < 10_000]
        return ["", *texts, *lengths]
    return [neutral_value(kind)]


def _moments(kind: TypeEngine[Any], text: str) -> list[Any]:
    """The date or time that a text says, with the ones before and after it."""
    try:
        moment = time.fromisoformat(text) if isinstance(kind, sa.Time) else None
        instant = datetime.fromisoformat(text) if moment is None else None
    except ValueError:
        return []
    if instant is None:
        return [moment]
    near = [instant + timedelta(days=days) for days in (0, 1, -1)]
    if isinstance(kind, sa.Date):
        return [moment.date() for moment in near]
    aware = getattr(kind, "timezone", False)
    return [moment.replace(tzinfo=moment.tzinfo or (UTC if aware else None)) for moment in near]


def _base(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type of SQLAlchemy's own that another decorates."""
    while isinstance(kind, TypeDecorator) and not isinstance(kind, sa.Interval | sa.Enum):
        kind = kind.impl_instance
    return kind


def _bound(value: Any, kind: TypeEngine[Any]) -> Any:
    """A value as a type hands it to the driver; an enum as it is stored."""
    enum = kind if isinstance(kind, sa.Enum) else native_enum(kind)
    if enum is not None and isinstance(value, Enum):
        stored: Any = enum
        return str(stored._db_value_for_elem(value))
    while isinstance(kind, TypeDecorator) and not isinstance(kind, sa.Interval):
        with suppress(NotImplementedError):  # one that leaves values as they are
            value = kind.process_bind_param(value, SQLITE)
        kind = kind.impl_instance
    return value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
