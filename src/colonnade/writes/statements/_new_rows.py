"""A row before it is stored, as SQL: the values of the request, and defaults for the others."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Subquery,
    bindparam,
    cast,
    literal,
    literal_column,
    null,
    select,
    type_coerce,
)

from colonnade.backends import Backend
from colonnade.models import Shape
from colonnade.query import VALUE_PREFIX, value_parameter


def new_row(shape: Shape, names: Collection[str], backend: Backend) -> Subquery:
    """Build a new row as a subquery with the name and the columns of the table.

    Args:
        shape: The table.
        names: The fields whose values are parameters.
        backend: The database.
    """
    values = [
        new_value(shape, column, names, backend).label(column.name)
        for column in shape.table.columns
    ]
    return select(*values).subquery(shape.table.name)


def new_value(
    shape: Shape, column: Column[Any], names: Collection[str], backend: Backend
) -> ColumnElement[Any]:
    """Build the value of a column in a new row.

    Args:
        shape: The table.
        column: The column.
        names: The fields whose values are parameters.
        backend: The database.
    """
    value = _value(shape, column, names)
    # PostgreSQL must know the type; a CAST on SQLite could convert the value.
    typed: Any = cast if backend == "postgresql" else type_coerce
    built: ColumnElement[Any] = typed(value, column.type)
    return built


def _value(shape: Shape, column: Column[Any], names: Collection[str]) -> Any:
    field = next((field for field in shape.columns.values() if field.column is column), None)
    if field is not None and field.name in names:
        return bindparam(value_parameter(column, VALUE_PREFIX), type_=column.type)
    default: Any = column.default
    if default is not None and default.is_scalar:
        return literal(default.arg, column.type)
    if default is not None and default.is_clause_element:
        return default.arg
    server_default: Any = getattr(column.server_default, "arg", None)
    if isinstance(server_default, str):
        quoted = server_default.replace("'", "''")
        return literal_column(f"'{quoted}'")
    return null() if server_default is None else server_default
