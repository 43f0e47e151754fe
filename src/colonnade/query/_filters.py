"""Filters: the conditions of a request, typed by their columns.

A filter consists of a tree of conditions and, apart from it, their values in the order of the
tree. Two requests with equal trees share one SQL text.

A condition is true or false for a row, never unknown: ``ne`` is true for NULL, and ``not`` inverts
any condition.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from colonnade.models import ColumnShape
from colonnade.query._values import is_text

Operator = Literal[
    "eq", "ne", "lt", "lte", "gt", "gte", "in", "not_in", "is_null",
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith",
]  # fmt: skip


OPERATORS: tuple[Operator, ...] = get_args(Operator)


_EQUAL: tuple[Operator, ...] = ("eq", "ne", "in", "not_in")


LISTS: tuple[Operator, ...] = ("in", "not_in")


_ORDER: tuple[Operator, ...] = ("lt", "lte", "gt", "gte")


SEARCH: tuple[Operator, ...] = (
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith",
)  # fmt: skip


MAX_CACHED_CONDITIONS = 20
"""SQL is cached for filters of up to this many conditions, so that clients cannot fill memory."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A column compared with a value or list; ``negated`` turns ``is_null`` into "is not null"."""

    column: str
    operator: Operator
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """All of the conditions hold."""

    all: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions holds."""

    any: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    negated: Any


@dataclass(frozen=True, slots=True)
class Related:
    """The condition holds for a row that the relation leads to."""

    relation: str
    condition: Any


Node = Compare | All | AnyOf | Not | Related


EVERY_ROW: Node = All(())


@dataclass(frozen=True, slots=True)
class Filter:
    """The conditions of a request.

    Attributes:
        node: The tree of conditions.
        values: The values in the order of the tree; a tuple for a list.
    """

    node: Node = EVERY_ROW
    values: tuple[Any, ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether it has so many conditions that its SQL is not cached."""
        return len(self.values) > MAX_CACHED_CONDITIONS


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
