"""``JSONPath``: a value inside of a JSON column, typed by the annotation of the field."""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, Column, ColumnElement, bindparam, not_

from colonnade.models import Annotation, ColumnShape
from colonnade.query._operators import Operator
from colonnade.query._paths import FieldPath
from colonnade.query._row_sources import RowSource
from colonnade.query.inside_json._json_functions import (
    JSONOperand,
    JSONOperands,
    Steps,
    json_has_any,
    json_has_element,
    json_length,
    json_matches,
    json_matches_any,
    json_text,
    steps_literal,
)
from colonnade.query.inside_json._json_types import LENGTH, SCALAR_TYPES, JSONType, ScalarKind

MAX_JSON_STEPS = 8
"""The maximum number of names in a path inside of a JSON column."""

_NAME = re.compile(r"[^\"\\\x00-\x1f]{1,100}")
"""The names that a path can have: SQLite cannot find others in every version."""

_EVERY_TYPE: tuple[Operator, ...] = (
    "eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "is_null",
    "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "overlaps",
)  # fmt: skip


class JSONPath(FieldPath):
    """A JSON column, or a value in it.

    Args:
        name: The public name of the column.
        column: The column.
        steps: The names that lead to the value.
        type: The type of the value.
    """

    def __init__(self, name: str, column: ColumnShape, steps: Steps, type: JSONType) -> None:  # noqa: A002
        super().__init__(".".join((name, *steps)), type.shape if steps else column)
        self.name = name
        self.column = column
        self.steps = steps
        self.type = type

    @classmethod
    def of_column(cls, name: str, column: ColumnShape) -> "JSONPath":
        """The path of a JSON column."""
        return cls(name, column, (), JSONType(column.annotation))

    def __eq__(self, other: object) -> bool:
        # The names may contain dots, so that different paths have the same text.
        return (
            isinstance(other, JSONPath)
            and super().__eq__(other)
            and self.steps == other.steps
            and self.type is other.type
        )

    __hash__ = FieldPath.__hash__

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators that filter by the value."""
        form = self.type.form
        if self.takes_every_type:
            return _EVERY_TYPE
        if form == "list":
            matched: tuple[Operator, ...] = ("contains", "overlaps")
            return (*matched, "is_null") if self.type.element.is_matched else ("is_null",)
        return super().operators if form == "scalar" else ("is_null",)

    def columns(self) -> Iterator[Column[Any]]:
        """The JSON column."""
        yield self.column.column

    @property
    def takes_every_type(self) -> bool:
        """Whether the annotation allows every JSON type, so that the operand decides."""
        return self.type.form == "any" and bool(self.steps)

    @property
    def is_sortable(self) -> bool:
        """Whether the values have an order."""
        return self.type.form == "scalar" and super().is_sortable

    @property
    def element(self) -> ColumnShape | None:
        """The shape of the elements of a list; None for other values, and for any elements."""
        if self.type.form != "list" or self.type.element.form != "scalar":
            return None
        return self.type.element.shape

    @property
    def names(self) -> tuple[str, ...]:
        """The names that a path can go on with; empty if it can be any name, or none."""
        return ("length",) if self.type.form == "list" else tuple(self.type.members)

    def child(self, name: str) -> FieldPath | None:
        """The value with a name in this one; None if it has none of that name."""
        form = self.type.form
        if form == "list" and name == "length":
            return JSONLength(self)
        if len(self.steps) >= MAX_JSON_STEPS or not _NAME.fullmatch(name):
            return None
        child_type = self.type.members.get(name)
        if form == "map":
            child_type = self.type.element
        elif form == "any":
            child_type = self.type
        if child_type is None:
            return None
        return JSONPath(self.name, self.column, (*self.steps, name), child_type)

    def of_type(self, kind: ScalarKind) -> "JSONPath":
        """The same value, if it has this JSON type."""
        return JSONPath(self.name, self.column, self.steps, SCALAR_TYPES[kind])

    def as_list(self) -> "JSONPath":
        """The same value, if it is a list."""
        return JSONPath(self.name, self.column, self.steps, _ANY_LIST)

    def arguments(self, rows: RowSource) -> tuple[ColumnElement[Any], ColumnElement[str]]:
        """The first arguments of the functions in ``_json_functions``."""
        return rows.c[self.column.column.key], steps_literal(self.steps)

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The value: NULL if it is not there, a JSON null, or of another type."""
        column, steps = self.arguments(rows)
        if not self.steps:
            return column
        if self.type.form != "scalar":
            text: ColumnElement[Any] = json_text(column, steps)
            return text
        value: ColumnElement[Any] = self.type.function(column, steps, type_=self.shape.column.type)
        return value

    def condition(
        self, operator: Operator, rows: RowSource, bind: str
    ) -> ColumnElement[bool] | None:
        """The SQL of a comparison by containment; None for other comparisons."""
        is_list = self.type.form == "list"
        if not is_list and not (self.steps and self.type.is_matched):
            return None
        functions: dict[Operator, Any] = (
            {"contains": json_has_element, "overlaps": json_has_any}
            if is_list
            else {"eq": json_matches, "ne": json_matches, "in": json_matches_any,
                  "not_in": json_matches_any}
        )  # fmt: skip
        function = functions.get(operator)
        if function is None:
            return None
        array = self.column.column.type if isinstance(self.column.column.type, ARRAY) else None
        operand_class = JSONOperands if operator in {"in", "not_in", "overlaps"} else JSONOperand
        operand = operand_class(self.steps, in_list=is_list, array=array)
        matches: ColumnElement[bool] = function(
            *self.arguments(rows), bindparam(bind, type_=operand)
        )
        return not_(matches) if operator in {"ne", "not_in"} else matches


class JSONLength(FieldPath):
    """The number of elements of a list.

    Args:
        values: The list.
    """

    def __init__(self, values: JSONPath) -> None:
        super().__init__(f"{values.text}.length", LENGTH)
        self.values = values

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JSONLength) and self.values == other.values

    __hash__ = FieldPath.__hash__

    def columns(self) -> Iterator[Column[Any]]:
        """The column of the list."""
        yield from self.values.columns()

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The number; NULL if there is no list."""
        number: ColumnElement[Any] = json_length(*self.values.arguments(rows))
        return number


_ANY_LIST = JSONType(Annotation.of(list[Any]))
