"""Filters: what a request asks of the rows, typed by their columns.

A filter is parsed to a structure, a tree without the values, and the values in the order in
which the tree names them. Two requests of one structure are one SQL text.

Every condition is true or false of a row, never unknown: ``ne`` is true of NULL, and ``not``
turns a condition around.
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


KEPT_CONDITIONS = 20
"""Conditions of a filter whose SQL is kept: who makes up longer ones should not fill the memory."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A column compared with a value, or a list of them; ``negated``: it is not null."""

    column: str
    operator: Operator
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions holds."""

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
    """The relation leads to a row of which the condition holds."""

    relation: str
    condition: Any


Node = Compare | All | AnyOf | Not | Related


EVERY_ROW: Node = All(())


@dataclass(frozen=True, slots=True)
class Filter:
    """What a request asks of the rows.

    Attributes:
        node: The structure.
        values: The values, in the order of the structure; that of a list is a tuple.
    """

    node: Node = EVERY_ROW
    values: tuple[Any, ...] = ()

    @property
    def is_long(self) -> bool:
        """Whether it has so many conditions that its SQL is not worth keeping."""
        return len(self.values) > KEPT_CONDITIONS


def operators_of(column: ColumnShape) -> tuple[Operator, ...]:
    """The operators that fit a column, by its kind."""
    null: tuple[Operator, ...] = ("is_null",)
    if column.kind in {"json", "bytes", "other"}:
        return null
    if column.kind in {"boolean", "enum", "literal", "ip"}:
        return _EQUAL + null
    return _EQUAL + _ORDER + null + (SEARCH if is_text(column) else ())
