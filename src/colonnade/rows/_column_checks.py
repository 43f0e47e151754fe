"""``column_check``: what a value must pass before it is stored in a column."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Any

from annotated_types import Ge, Le
from pydantic import TypeAdapter
from sqlalchemy import ARRAY, Numeric

from colonnade.models import (
    MULTIRANGES,
    ColumnShape,
    element_of,
    require_storable,
    require_storable_json,
    type_name,
)
from colonnade.query import value_adapter
from colonnade.rows._native_checks import check_address, items_check

MAX_ROUNDED_DIGITS = 500
"""Numbers with more digits are not rounded; they fit no column, and the database rejects them."""


def column_check(column: ColumnShape) -> Callable[[Any], Any] | None:
    """A function that returns the value to store, or raises; None if every value can be stored.

    It raises ``pydantic.ValidationError``, ``ValueError`` or ``OverflowError``.
    """
    if isinstance(column.stored_type, ARRAY) or type_name(column.stored_type) in MULTIRANGES:
        item = element_of(column)
        return items_check(require_storable_json if item is None else column_check(item))
    if column.kind == "json":
        return require_storable_json
    if column.kind == "text":
        return _check_text
    if column.kind in {"path", "other"}:
        return lambda value: require_storable(str(value)) and value
    if column.kind == "datetime":
        return _check_aware if column.is_aware else None
    if column.kind == "decimal":
        return _rounded_to_scale(column)
    if column.integer_bits is not None:
        limit = 2 ** (column.integer_bits - 1)
        integer: TypeAdapter[Any] = TypeAdapter(Annotated[int, Ge(-limit), Le(limit - 1)])
        return integer.validator.validate_python
    if column.kind == "native" and column.python_type is not str:
        return check_address
    is_restricted_text = column.python_type is str and column.kind in {"literal", "uuid", "native"}
    if is_restricted_text or column.kind in {"time", "timedelta", "float", "range"}:
        adapter = value_adapter(column)
        return adapter.validator.validate_python
    return None


def _check_text(value: Any) -> Any:
    return require_storable(value) if isinstance(value, str) else value


def _rounded_to_scale(column: ColumnShape) -> Callable[[Any], Any] | None:
    """Round decimals as PostgreSQL does; SQLite would store more places than the column has."""
    kind = column.stored_type
    if not isinstance(kind, Numeric) or kind.scale is None:
        return None  # Colonnade's own types reject what they cannot store
    unit = Decimal(1).scaleb(-kind.scale)
    context = Context(prec=1000, rounding=ROUND_HALF_UP)

    def rounded(value: Any) -> Any:
        if not isinstance(value, Decimal) or abs(value.adjusted()) > MAX_ROUNDED_DIGITS:
            return value
        return value.quantize(unit, context=context)

    return rounded


def _check_aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("Input should have timezone info, such as 2026-01-31T12:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("In UTC, this datetime is outside the years 1 to 9999") from None
