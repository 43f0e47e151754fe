"""The INSERT of rows that one parameter has as JSON, on PostgreSQL."""

from typing import Any

from sqlalchemy import Column, Select, bindparam, func, insert, literal_column, select, text, types
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql.base import PGDialect

from colonnade.database import Plan
from colonnade.query import NO_SCOPES
from colonnade.rows import ReturnedRow, row_columns
from colonnade.writes._table_context import TableContext

MAX_NAME_BYTES = 63
"""PostgreSQL cuts off longer names (``NAMEDATALEN``), which would not be those in the JSON."""

POSITION = "colonnade_position"
"""The column with the position of a row in the parameter."""


def json_insert(table_context: TableContext, names: tuple[str, ...]) -> Plan | None:
    """Build the INSERT of rows in the parameter ``rows``: see ``BulkStatements.insert_json``.

    Args:
        table_context: The table, whose keys the database generates in sequence.
        names: The fields of each row.

    Returns:
        The plan; None if a field cannot be the name of a column of the parameter.
    """
    if any(len(name.encode()) > MAX_NAME_BYTES or name == POSITION for name in names):
        return None
    shape, view = table_context.shape, table_context.view
    columns = {name: shape.columns[name].column for name in names}
    returned = ReturnedRow(shape.table)
    body, _ = row_columns(view, returned, NO_SCOPES, table_context.backend, [])
    key = shape.table.autoincrement_column
    assert key is not None
    written = (
        insert(shape.table)
        .from_select(list(columns.values()), _json_rows(columns))
        .returning(body, key.label("key"))
        .cte("written")
    )
    in_order: Any = aggregate_order_by(literal_column("','"), written.c.key)
    bodies = func.string_agg(written.c.body, in_order, type_=types.Text)
    array: Any = literal_column("'['") + bodies + literal_column("']'")
    return Plan(select(array.label("body"), func.count(written.c.key).label("written")))


def _json_rows(columns: dict[str, Column[Any]]) -> Select[Any]:
    """Build the SELECT of the rows in the parameter, in their order.

    Args:
        columns: The column for each name in the objects.
    """
    dialect: Any = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy does not type it
    names = [dialect.identifier_preparer.quote(name) for name in columns]
    kinds = [column.type.compile(dialect) for column in columns.values()]
    declared = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    source = text(
        f"ROWS FROM (json_to_recordset(CAST(:rows AS JSON)) AS ({declared})) "
        f"WITH ORDINALITY AS input_rows ({', '.join(names)}, {POSITION})"
    ).bindparams(bindparam("rows", type_=types.Text))
    chosen: list[Any] = [literal_column(f"input_rows.{name}") for name in names]
    position: Any = literal_column(f"input_rows.{POSITION}")
    return select(*chosen).select_from(source).order_by(position)
