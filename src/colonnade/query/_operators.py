"""The operators that compare a field with a value."""

from typing import Literal, get_args

from colonnade.models import ColumnShape
from colonnade.query._values import is_text

Operator = Literal[
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "is_null",
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "overlaps",
]  # fmt: skip


OPERATORS: tuple[Operator, ...] = get_args(Operator)


_EQUAL: tuple[Operator, ...] = ("eq", "ne", "in", "not_in")


LISTS: tuple[Operator, ...] = ("in", "not_in", "overlaps")


_ORDER: tuple[Operator, ...] = ("lt", "lte", "gt", "gte")


SEARCH: tuple[Operator, ...] = (
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith",
)  # fmt: skip


MAX_LIST_VALUES = 1000
"""The maximum number of values of ``in``, ``not_in`` and ``overlaps``."""


def operators_of(column: ColumnShape) -> tuple[Operator, ...]:
    """The operators that apply to a column of this kind."""
    null: tuple[Operator, ...] = ("is_null",)
    if column.kind in {"json", "bytes", "other"}:
        return null
    if column.kind == "range":
        return (*_EQUAL, *null, "contains")
    if column.kind in {"boolean", "enum", "literal", "ip"}:
        return _EQUAL + null
    return _EQUAL + _ORDER + null + (SEARCH if is_text(column) else ())
