"""From the text of a request to a value a column can be compared with."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import Ge, Le
from pydantic import AfterValidator, AllowInfNan, AwareDatetime, NaiveDatetime, TypeAdapter
from sqlalchemy import BigInteger, ColumnElement, LargeBinary, Numeric
from sqlalchemy import Enum as NativeEnum
from sqlalchemy.types import TypeEngine

from colonnade.models import Base64JSON, ColumnShape, TextValue, require_storable
from colonnade.query._comparisons import as_text

EPOCH = datetime(1970, 1, 1)
MOST_DIGITS = 60
"""Digits on each side of the point; what has more fits no column that is compared with it."""


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("In UTC this is outside of the years 1 to 9999") from None


def _storable_span(value: timedelta) -> timedelta:
    try:
        EPOCH + value
    except OverflowError:
        raise ValueError("A duration must not be longer than about 7,900 years") from None
    return value


def _of_no_zone(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("A time of day must not have an offset")
    return value


def _comparable(value: Decimal) -> Decimal:
    # By its digits: arithmetic with a number such as 1e9999999 overflows.
    if value and (value.adjusted() >= MOST_DIGITS or int(value.as_tuple().exponent) < -MOST_DIGITS):
        raise ValueError(
            f"A number can have at most {MOST_DIGITS} digits on each side of the point"
        )
    return value if value else Decimal(0)


_IS_NO_NUMBER = re.compile(r"[^0-9.+\-\s]|\d-\d")
_INTEGER = re.compile(r"-?[0-9]{1,19}")

PlainText = Annotated[str, AfterValidator(require_storable)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Span = Annotated[timedelta, AfterValidator(_storable_span)]
TimeOfDay = Annotated[time, AfterValidator(_of_no_zone)]

_SIMPLE: dict[str, Any] = {
    "text": PlainText,
    "path": PlainText,
    "float": Annotated[float, AllowInfNan(False)],
    "boolean": bool,
    "decimal": Annotated[Decimal, AllowInfNan(False), AfterValidator(_comparable)],
    "date": date,
    "time": TimeOfDay,
    "timedelta": Span,
    "uuid": UUID,
    "bytes": Annotated[bytes, Base64JSON()],
}


def value_type(column: ColumnShape) -> Any:
    """The type of a value that a column is compared with, constraints of the field aside."""
    if column.kind == "integer":
        # Wider than the column may be: SQLite stores 64 bits in any, and PostgreSQL compares with
        # them, and finds nothing.
        return Annotated[int, Ge(-(2**63)), Le(2**63 - 1)]
    if column.kind == "datetime":
        return Moment if column.is_aware else NaiveDatetime
    if column.kind == "uuid" and column.python_type is str:
        return Annotated[UUID, AfterValidator(str)]
    if column.kind == "literal" and column.python_type is str:
        return Literal[column.choices or ("",)]
    if column.kind == "text" and isinstance(column.column.type, TextValue):
        return Annotated[column.python_type, AfterValidator(str)]
    if column.kind in _SIMPLE:
        return _SIMPLE[column.kind]
    return column.python_type


@lru_cache(maxsize=4096)
def value_adapter(column: ColumnShape) -> TypeAdapter[Any]:
    """Pydantic's adapter of ``value_type``; ValidationError is what it raises."""
    return TypeAdapter(value_type(column))


@lru_cache(maxsize=4096)
def read_value(column: ColumnShape) -> Callable[[Any], Any]:
    """A function from a text, or a value of JSON, to one the column is compared with.

    It raises ``pydantic.ValidationError`` for what the column cannot hold.
    """
    adapter = value_adapter(column)
    whole = bool(column.choices) and isinstance((column.choices or ("",))[0], int)

    temporal = column.kind in {"datetime", "date", "time", "timedelta"}

    def read(value: Any) -> Any:
        if temporal and not (isinstance(value, str) and _IS_NO_NUMBER.search(value)):
            return adapter.validate_python(object())  # Pydantic would count seconds from 1970
        if isinstance(value, str):
            if whole and _INTEGER.fullmatch(value):
                return adapter.validate_python(int(value))
            return adapter.validate_strings(value)
        if isinstance(value, bool) and column.kind != "boolean":
            return adapter.validate_python(str(value).lower(), strict=True)
        return adapter.validate_python(value)

    return read


@lru_cache(maxsize=4096)
def compared_type(column: ColumnShape) -> TypeEngine[Any]:
    """The type a value is sent as when it is compared with a column."""
    if column.kind == "decimal":
        return Numeric(asdecimal=True)  # a price may be compared with more digits than it has
    if column.kind == "integer":
        return BigInteger()
    return column.column.type


def sort_value(column: ColumnShape, source: Any) -> ColumnElement[Any]:
    """What a column of ``source`` is sorted by."""
    value: ColumnElement[Any] = source.c[column.column.key]
    return as_text(value) if isinstance(column.column.type, NativeEnum) else value


def is_text(column: ColumnShape) -> bool:
    """Whether a column holds text of any kind, which can be searched."""
    return column.kind in {"text", "path"}


def is_ordered(column: ColumnShape) -> bool:
    """Whether a column's values can be sorted and are more or less than one another."""
    return column.kind not in {"json", "bytes", "other"} and not isinstance(
        column.column.type, LargeBinary
    )
