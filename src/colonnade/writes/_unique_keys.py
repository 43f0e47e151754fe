"""The unique keys of a table: what a new row can conflict with, as ``on_conflict`` names it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
    literal_column,
    text,
    true,
)
from sqlalchemy.dialects import registry

from colonnade.backends import Backend
from colonnade.models import ColumnShape, Shape
from colonnade.query import adapt_to_source

UniqueItem = PrimaryKeyConstraint | UniqueConstraint | Index


@dataclass(frozen=True, slots=True, eq=False)
class UniqueKey:
    """A primary key, a unique constraint, or a unique index, which may be partial.

    Attributes:
        name: The names of its fields in request bodies, separated by commas; the name of the index
            if another key has the same fields.
        shape: The table.
        columns: The columns.
        item: The constraint or index.
    """

    name: str
    shape: Shape
    columns: tuple[ColumnShape, ...]
    item: UniqueItem

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(column.name for column in self.columns)

    @property
    def elements(self) -> list[Column[Any]]:
        """The columns, as ``index_elements`` of ON CONFLICT."""
        return [column.column for column in self.columns]

    def is_partial(self, backend: Backend) -> bool:
        """Whether only some of the rows have the key, so that the others never conflict."""
        return self._condition(backend) is not None

    def condition(self, backend: Backend, source: FromClause) -> ColumnElement[bool]:
        """The condition of a partial index on ``source``, which may have no other table beside it.

        Args:
            backend: The database: an index can be partial on one of them.
            source: Rows with the columns of the table.
        """
        condition = self._condition(backend)
        if condition is None:
            return true()
        return adapt_to_source(condition, self.shape.table, source)

    def index_where(self, backend: Backend) -> ColumnElement[bool] | None:
        """The condition of a partial index as SQL without parameters, for ON CONFLICT.

        The databases compare it with that of the index.
        """
        condition = self._condition(backend)
        if condition is None:
            return None
        # Named parameters: the others would double each percent sign.
        dialect = registry.load(backend)(paramstyle="named")
        options = {"literal_binds": True, "include_table": False}
        return literal_column(str(condition.compile(dialect=dialect, compile_kwargs=options)))

    def matches(
        self, source: FromClause, values: Iterable[ColumnElement[Any]]
    ) -> list[ColumnElement[bool]]:
        """Build the conditions that a row of ``source`` has these values in the key."""
        columns = [source.c[column.column.key] for column in self.columns]
        options: Any = self.item.dialect_options
        if options["postgresql"].get("nulls_not_distinct"):
            pairs = zip(columns, values, strict=True)
            return [column.is_not_distinct_from(value) for column, value in pairs]
        return [column == value for column, value in zip(columns, values, strict=True)]

    def _condition(self, backend: Backend) -> ColumnElement[bool] | None:
        if not isinstance(self.item, Index):
            return None
        options: Any = self.item.dialect_options
        condition: Any = options[backend].get("where")
        if isinstance(condition, str):
            condition = text(condition)
        built: ColumnElement[bool] | None = condition
        return built


def unique_keys(shape: Shape, fields: Iterable[str]) -> dict[str, UniqueKey]:
    """Return the unique keys whose columns are among these fields, by name.

    The name of a partial index is that of the index if a key of all rows has the same fields. Left
    out are keys with a ``secret`` column, by which no request may find a row.

    Args:
        shape: The table.
        fields: The names of the fields.
    """
    allowed = {
        shape.columns[name].column: shape.columns[name]
        for name in fields
        if name in shape.columns and not shape.columns[name].secret
    }
    keys: dict[str, UniqueKey] = {}
    for item in sorted(_unique_items(shape), key=_order):
        columns = _columns_of(item)
        if not columns or not all(column in allowed for column in columns):
            continue
        shapes = tuple(allowed[column] for column in columns)
        name = ",".join(column.body_name for column in shapes)
        if name in keys:
            name = str(item.name)
        keys.setdefault(name, UniqueKey(name, shape, shapes, item))
    return keys


def _unique_items(shape: Shape) -> Iterator[UniqueItem]:
    for constraint in shape.table.constraints:
        # PostgreSQL checks a deferrable constraint too late for ON CONFLICT.
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint) and not (
            constraint.deferrable
        ):
            yield constraint
    yield from (index for index in shape.table.indexes if index.unique)


def _order(item: UniqueItem) -> tuple[bool, bool, str]:
    """Keys of all rows come before partial ones, and the primary key before all others."""
    options: Any = item.dialect_options
    is_partial = any(options[name].get("where") is not None for name in ("postgresql", "sqlite"))
    return is_partial, not isinstance(item, PrimaryKeyConstraint), str(item.name)


def _columns_of(item: UniqueItem) -> list[Column[Any]]:
    """The columns of a key; empty if it is of expressions, such as ``lower(email)``."""
    if isinstance(item, Index):
        expressions: list[Any] = list(item.expressions)
        is_plain = all(isinstance(expression, Column) for expression in expressions)
        return expressions if is_plain else []
    return list(item.columns)
