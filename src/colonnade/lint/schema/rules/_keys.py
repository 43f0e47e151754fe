"""What tables are searched by, and what they refer to."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, UniqueConstraint

Columns = list[Column[Any]]


def indexed(table: Table) -> Iterator[tuple[str, Columns, bool]]:
    """What a table can be searched by: a name, the columns in order, whether they are unique."""
    if table.primary_key.columns:
        yield "the primary key", list(table.primary_key.columns), True
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield f"{constraint.name or 'a UNIQUE'}", list(constraint.columns), True
    for index in sorted(table.indexes, key=lambda each_index: str(each_index.name)):
        if whole(index):
            yield f"{index.name}", list(index.columns), bool(index.unique)


def whole(index: Index) -> bool:
    """Whether an index has all rows, by columns themselves."""
    partial = any(
        key.endswith("_where") and value is not None
        for options in index.dialect_options.values()
        for key, value in ((f"_{name}", value) for name, value in options.items())
    )
    return not partial and len(index.columns) == len(index.expressions)


def foreign_keys(table: Table) -> list[ForeignKeyConstraint]:
    """The foreign keys of a table, by their columns."""
    return sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys))
