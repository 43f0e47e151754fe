"""``FieldPath``: what a path of a request leads to, and its SQL.

Filters, orderings, groups and aggregates all read paths: a column, a value inside of a JSON
column, a field of a related row, or an aggregate of related rows.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, case
from sqlalchemy import Enum as NativeEnum

from colonnade.models import ColumnShape, RelationShape, Shape
from colonnade.query._comparisons import as_text, quoted, stored_datetime
from colonnade.query._operators import Operator, operators_of
from colonnade.query._row_sources import RowSource
from colonnade.query._values import compared_column, is_sortable


class FieldPath:
    """What a path leads to.

    Two paths of one table are equal if they lead to the same values.

    Args:
        text: The path with dots, as in ``order_by``.
        shape: The shape of the values.
    """

    def __init__(self, text: str, shape: ColumnShape) -> None:
        self.text = text
        self.shape = shape

    def __repr__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldPath) and (self.text, self.shape) == (other.text, other.shape)

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The operators that filter by the values."""
        return operators_of(self.shape)

    @property
    def is_sortable(self) -> bool:
        """Whether the values have an order."""
        return is_sortable(self.shape)

    def tables(self) -> Iterator[Table]:
        """The related tables that the value depends on."""
        yield from ()

    def columns(self) -> Iterator[Column[Any]]:
        """The columns whose values it reveals."""
        yield from ()

    def condition(
        self, operator: Operator, rows: RowSource, bind: str
    ) -> ColumnElement[bool] | None:
        """The SQL of a comparison that only this kind of path has; None for the usual one.

        Args:
            operator: The operator.
            rows: The rows.
            bind: The name of the parameter.
        """
        return None

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The SQL of the value."""
        raise NotImplementedError  # each kind of path has its SQL

    def stored_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The SQL of the value in the form of its type, from which its JSON is written."""
        return self.sql(rows)

    def sort_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The SQL of the value to sort by."""
        value = self.sql(rows)
        return as_text(value) if isinstance(self.shape.stored_type, NativeEnum) else value

    def canonical_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The SQL of the value in one form, so that equal values are one group."""
        value = self.sql(rows)
        if self.shape.kind == "datetime":
            return stored_datetime(value, type_=self.shape.column.type)
        spellings = self.shape.spellings or {}
        others = {text: texts[0] for texts in spellings.values() for text in texts[1:]}
        if not others:
            return value
        branches = ((value == quoted(text), quoted(first)) for text, first in others.items())
        return case(*branches, else_=value)


class ColumnPath(FieldPath):
    """A column of the table."""

    def columns(self) -> Iterator[Column[Any]]:
        """The column."""
        yield self.shape.column

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The column."""
        return compared_column(self.shape, rows)


class RelatedPath(FieldPath):
    """A field of the row that a relation leads to.

    Args:
        name: The public name of the relation.
        relation: The relation, to one row.
        field: The field of that row.
    """

    def __init__(self, name: str, relation: RelationShape, field: FieldPath) -> None:
        super().__init__(f"{name}.{field.text}", _nullable(field.shape))
        self.relation = relation
        self.field = field

    def tables(self) -> Iterator[Table]:
        """The table of the related row, and those of its field."""
        yield Shape.of(self.relation.target).table
        yield from self.field.tables()

    def columns(self) -> Iterator[Column[Any]]:
        """The columns of its field."""
        yield from self.field.columns()

    def sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The value; NULL if the row is not related to another one in scope."""
        return rows.related(self.relation, self.field.sql)

    def canonical_sql(self, rows: RowSource) -> ColumnElement[Any]:
        """The value in one form."""
        return rows.related(self.relation, self.field.canonical_sql)


@lru_cache(maxsize=4096)
def column_path(name: str, column: ColumnShape) -> ColumnPath:
    """The path of a column with a public name."""
    return ColumnPath(name, column)


@lru_cache(maxsize=4096)
def _nullable(shape: ColumnShape) -> ColumnShape:
    return shape if shape.nullable else replace(shape, nullable=True)
