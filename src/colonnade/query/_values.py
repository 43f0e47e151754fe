"""Parsing the values that columns are compared with."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from annotated_types import Ge, Le
from pydantic import AfterValidator, AllowInfNan, AwareDatetime, NaiveDatetime, TypeAdapter
from sqlalchemy import BigInteger, ColumnElement, LargeBinary, Numeric, String, type_coerce
from sqlalchemy.sql.operators import OperatorClass
from sqlalchemy.types import TypeEngine

from colonnade.models import (
    Base64JSON,
    ColumnShape,
    TextValue,
    element_of,
    require_storable,
    type_name,
)
from colonnade.query._native_values import range_value_type, scalar_type

EPOCH = datetime(1970, 1, 1)
MAX_DIGITS = 60
"""The maximum number of digits on each side of the decimal point; no column holds more."""


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("In UTC, this datetime is outside the years 1 to 9999") from None


def _check_duration(value: timedelta) -> timedelta:
    try:
        EPOCH + value
    except OverflowError:
        raise ValueError("A duration must be shorter than about 7,900 years") from None
    return value


def _without_offset(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("A time of day must not have a UTC offset")
    return value


def _check_digits(value: Decimal) -> Decimal:
    # Count digits, since arithmetic with a number such as 1e9999999 overflows.
    if value and (value.adjusted() >= MAX_DIGITS or int(value.as_tuple().exponent) < -MAX_DIGITS):
        raise ValueError(
            f"A number can have at most {MAX_DIGITS} digits on each side of the decimal point"
        )
    return value if value else Decimal(0)


_NOT_A_NUMBER = re.compile(r"[^0-9.+\-\s]|\d-\d")
_INTEGER = re.compile(r"-?[0-9]{1,19}")

PlainText = Annotated[str, AfterValidator(require_storable)]
UTCDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
Duration = Annotated[timedelta, AfterValidator(_check_duration)]
TimeOfDay = Annotated[time, AfterValidator(_without_offset)]

_TYPES_BY_KIND: dict[str, Any] = {
    "text": PlainText,
    "path": PlainText,
    "float": Annotated[float, AllowInfNan(False)],
    "boolean": bool,
    "decimal": Annotated[Decimal, AllowInfNan(False), AfterValidator(_check_digits)],
    "date": date,
    "time": TimeOfDay,
    "timedelta": Duration,
    "uuid": UUID,
    "bytes": Annotated[bytes, Base64JSON()],
}


def value_type(column: ColumnShape) -> Any:
    """The type of values to compare a column with, without the constraints of the field."""
    if column.kind == "integer":
        # Allow 64 bits for any column: SQLite stores them, and PostgreSQL finds no equal row.
        return Annotated[int, Ge(-(2**63)), Le(2**63 - 1)]
    if column.kind == "datetime":
        return UTCDatetime if column.is_aware else NaiveDatetime
    if column.kind == "uuid" and column.python_type is str:
        return Annotated[UUID, AfterValidator(str)]
    if column.kind == "literal" and column.python_type is str:
        return Literal[column.choices or ("",)]
    if column.kind == "text" and isinstance(column.column.type, TextValue):
        return Annotated[column.python_type, AfterValidator(str)]
    if column.kind == "native":
        return scalar_type(column)
    bound = range_bound(column)
    if bound is not None:
        return range_value_type(column, value_type(bound))
    if column.kind in _TYPES_BY_KIND:
        return _TYPES_BY_KIND[column.kind]
    return column.python_type


def range_bound(column: ColumnShape) -> ColumnShape | None:
    """The bounds of a range as a column; None for other columns."""
    return element_of(column) if column.kind == "range" else None


@lru_cache(maxsize=4096)
def value_adapter(column: ColumnShape) -> TypeAdapter[Any]:
    """Pydantic's adapter for ``value_type``."""
    return TypeAdapter(value_type(column))


@lru_cache(maxsize=4096)
def read_value(column: ColumnShape) -> Callable[[Any], Any]:
    """A function that parses text, or a JSON value, to a value to compare the column with.

    It raises ``pydantic.ValidationError`` for values that the column cannot hold.
    """
    adapter = value_adapter(column)
    has_integer_choices = bool(column.choices) and isinstance((column.choices or ("",))[0], int)

    temporal = column.kind in {"datetime", "date", "time", "timedelta"}

    def read(value: Any) -> Any:
        if temporal and not (isinstance(value, str) and _NOT_A_NUMBER.search(value)):
            return adapter.validate_python(object())  # Pydantic would read a number as a timestamp
        if isinstance(value, str):
            if has_integer_choices and _INTEGER.fullmatch(value):
                return adapter.validate_python(int(value))
            return adapter.validate_strings(value)
        if isinstance(value, bool) and column.kind != "boolean":
            return adapter.validate_python(str(value).lower(), strict=True)
        return adapter.validate_python(value)

    return read


@lru_cache(maxsize=4096)
def compared_type(column: ColumnShape) -> TypeEngine[Any]:
    """The type of the parameter for a value that is compared with a column."""
    if column.kind == "decimal":
        return Numeric(asdecimal=True)  # the value may have more digits than the column
    if column.kind == "integer":
        return BigInteger()
    kind = column.column.type
    return column.stored_type if type_name(kind) == "DOMAIN" else kind


def compared_column(column: ColumnShape, source: Any) -> ColumnElement[Any]:
    """A column of ``source`` for comparisons, with the type beneath its domain."""
    value: ColumnElement[Any] = source.c[column.column.key]
    if column.stored_type.operator_classes is OperatorClass.UNSPECIFIED:
        return type_coerce(value, String())  # SQLAlchemy warns of such types
    is_domain = type_name(column.column.type) == "DOMAIN"
    return type_coerce(value, column.stored_type) if is_domain else value


def is_text(column: ColumnShape) -> bool:
    """Whether a column holds text, which can be searched."""
    return column.kind in {"text", "path"}


def is_sortable(column: ColumnShape) -> bool:
    """Whether a column's values have an order."""
    return column.kind not in {"json", "bytes", "other"} and not isinstance(
        column.stored_type, LargeBinary
    )
