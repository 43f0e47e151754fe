"""The indexes and foreign keys of tables."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, UniqueConstraint

Columns = list[Column[Any]]


def indexes(table: Table) -> Iterator[tuple[str, Columns, bool]]:
    """Yield a table's keys and indexes: name, columns in order, whether they are unique."""
    if table.primary_key.columns:
        yield "the primary key", list(table.primary_key.columns), True
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield f"{constraint.name or 'a UNIQUE'}", list(constraint.columns), True
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if is_plain_index(index):
            yield f"{index.name}", list(index.columns), bool(index.unique)


def is_plain_index(index: Index) -> bool:
    """Whether an index covers all rows and consists of plain columns."""
    partial = any(
        key.endswith("_where") and value is not None
        for options in index.dialect_options.values()
        for key, value in ((f"_{name}", value) for name, value in options.items())
    )
    return not partial and len(index.columns) == len(index.expressions)


def foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    """The foreign keys of a table, sorted by their columns."""
    return sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys))
