"""The rows that a step will meet, as queries on the current tables.

Each earlier step wraps the query of its table in another: a renamed column becomes an alias, a
filled one ``coalesce()``. So constraints are checked against the rows at the time of their step,
although no step has run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade._sqlalchemy_compat import doubles_percent_signs
from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.operations._base import bytes_literal
from colonnade.migrations.operations._conversions import (
    CREATE_JSON_TO_ARRAY,
    JSON_TO_ARRAY,
    conversion,
)
from colonnade.migrations.operations._types import enum_key, plain_type

COUNT_LIMIT = 1000
"""The maximum number of rows that a check counts."""


@dataclass
class ProjectedTable:
    """A table after the steps so far.

    Attributes:
        schema: The schema.
        current_name: The table's name in the database now; None if it does not exist yet.
        columns: The names of the columns.
        source: A SELECT of the rows; None if they are unknown, for example after ``op.execute``.
    """

    schema: str | None
    current_name: str | None
    columns: list[str]
    source: str | None


class Projection:
    """The tables of a database after the steps so far.

    Args:
        connection: The database; nothing is changed in it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self._tables: dict[tuple[str | None, str], ProjectedTable] = {}
        self._dropped: set[tuple[str | None, str]] = set()
        self._rows_are_known = True

    def quote(self, name: str) -> str:
        """Quote an identifier for SQL."""
        return self.connection.dialect.identifier_preparer.quote(name)

    def table(self, schema: str | None, name: str) -> ProjectedTable | None:
        """A table by its name after the steps so far; None if it does not exist."""
        key = (schema, name)
        if key not in self._tables:
            if key in self._dropped or not sa.inspect(self.connection).has_table(name, schema):
                return None
            columns = [
                column["name"] for column in sa.inspect(self.connection).get_columns(name, schema)
            ]
            preparer = self.connection.dialect.identifier_preparer
            qualified = self.quote(name)
            if schema:
                qualified = f"{preparer.quote_schema(schema)}.{qualified}"
            source = f"SELECT * FROM {qualified}" if self._rows_are_known else None  # noqa: S608
            self._tables[key] = ProjectedTable(schema, name, columns, source)
        return self._tables[key]

    def current_name(self, schema: str | None, name: str) -> str:
        """A table's name in the database now, before any of the steps."""
        table = self.table(schema, name)
        return name if table is None or table.current_name is None else table.current_name

    def rows(self, schema: str | None, name: str) -> str | None:
        """The rows of a table as a subquery for FROM; None if they are unknown."""
        table = self.table(schema, name)
        if table is None or table.source is None:
            return None
        return f"({table.source}) AS {self.quote(name)}"

    def count(self, schema: str | None, name: str, condition: str) -> int:
        """Count the rows that meet a condition, up to ``COUNT_LIMIT``; 0 if they are unknown."""
        rows = self.rows(schema, name)
        if rows is None:
            return 0
        query = f"SELECT 1 FROM {rows} WHERE {condition} LIMIT {COUNT_LIMIT}"  # noqa: S608
        return int(self.scalar(f"SELECT count(*) FROM ({query}) AS x") or 0)  # noqa: S608

    def scalar(self, query: str) -> Any:
        """The single value of a query; None if the query fails."""
        try:
            return self.scalar_or_raise(query)
        except DBAPIError:
            return None

    def scalar_or_raise(self, query: str) -> Any:
        """The single value of a query.

        Raises:
            DBAPIError: The query fails, for example because a value cannot be converted.
        """
        nested = self.connection.begin_nested() if self.dialect == "postgresql" else None
        try:
            if JSON_TO_ARRAY in query:
                self.connection.exec_driver_sql(CREATE_JSON_TO_ARRAY)
            return self.connection.execute(sa.text(query.replace(":", "\\:"))).scalar()
        finally:
            if nested is not None:
                nested.rollback()

    def apply(self, operation: MigrateOperation) -> None:
        """Apply an operation to the projected tables."""
        match operation:
            case ops.CreateTableOp():
                self._create_table(operation)
            case ops.DropTableOp():
                self._drop_table(operation.schema, operation.table_name)
            case ops.RenameTableOp():
                self._rename_table(operation.schema, operation.table_name, operation.new_table_name)
            case safe_ops.RenameTable():
                self._rename_table(operation.schema, operation.table, operation.new)
            case ops.ExecuteSQLOp():
                self._mark_all_unknown()
            case ops.BulkInsertOp():
                self._mark_unknown(operation.table.schema, operation.table.name)
            case safe_ops.ForEachBatch():
                self._mark_unknown(operation.schema, operation.table)
            case safe_ops.ChangeEnum():
                self._map_enum(operation)
            case _:
                self._change(operation)

    def _create_table(self, operation: ops.CreateTableOp) -> None:
        columns = [column.name for column in operation.columns if isinstance(column, sa.Column)]
        empty = ", ".join(f"NULL AS {self.quote(column)}" for column in columns)
        self._tables[operation.schema, operation.table_name] = ProjectedTable(
            operation.schema, None, columns, f"SELECT {empty} WHERE 1 = 0"
        )

    def _drop_table(self, schema: str | None, name: str) -> None:
        self._tables.pop((schema, name), None)
        self._dropped.add((schema, name))

    def _rename_table(self, schema: str | None, name: str, new: str) -> None:
        table = self.table(schema, name)
        if table is not None:
            self._drop_table(schema, name)
            self._tables[schema, new] = table

    def _mark_unknown(self, schema: str | None, name: str) -> None:
        table = self.table(schema, name)
        if table is not None:
            table.source = None

    def _mark_all_unknown(self) -> None:
        self._rows_are_known = False
        for table in self._tables.values():
            table.source = None

    def _map_enum(self, step: safe_ops.ChangeEnum) -> None:
        for qualified in step.columns:
            table, _, column = qualified.rpartition(".")
            self.apply(safe_ops.MapValues(table, column, step.mapping))

    def _change(self, operation: MigrateOperation) -> None:
        name, schema = table_of(operation), getattr(operation, "schema", None)
        table = None if name is None else self.table(schema, name)
        if table is None or name is None:
            return
        changed, renamed, dropped = self._changes(operation)
        if not (changed or renamed or dropped):
            return
        columns = {
            renamed.get(column, column): changed.get(column, self.quote(column))
            for column in table.columns
            if column not in dropped
        }
        columns |= {column: sql for column, sql in changed.items() if column not in table.columns}
        if table.source is not None:
            select = ", ".join(f"{sql} AS {self.quote(column)}" for column, sql in columns.items())
            table.source = f"SELECT {select} FROM ({table.source}) AS {self.quote(name)}"  # noqa: S608
        table.columns = list(columns)

    def _changes(
        self, operation: MigrateOperation
    ) -> tuple[Mapping[str, str], Mapping[str, str], set[str]]:
        """The changed values as SQL by column, the new names by old ones, the dropped columns."""
        match operation:
            case safe_ops.RenameColumn():
                return {}, {operation.column: operation.new}, set()
            case safe_ops.PutAside():
                return {}, {operation.column: operation.aside}, set()
            case safe_ops.TakeBack():
                return {}, {operation.aside: operation.column}, set()
            case safe_ops.Fill() | safe_ops.Require():
                value = self.literal(operation.value)
                filled = f"coalesce({self.quote(operation.column)}, {value})"
                return {operation.column: filled}, {}, set()
            case safe_ops.MapValues():
                return (
                    {operation.column: self.mapped_values(operation.column, operation.values)},
                    {},
                    set(),
                )
            case safe_ops.ReplaceCheck() if operation.column is not None and operation.values:
                return (
                    {operation.column: self.mapped_values(operation.column, operation.values)},
                    {},
                    set(),
                )
            case safe_ops.ChangeType():
                value = self.converted_values(
                    operation.column, operation.was, operation.type_, operation.expression
                )
                return {operation.column: value}, {}, set()
            case ops.AddColumnOp():
                default = getattr(operation.column.server_default, "arg", None)
                value = "NULL" if default is None else self.literal(default)
                return {operation.column.name: value}, {}, set()
            case ops.DropColumnOp():
                return {}, {}, {operation.column_name}
            case ops.AlterColumnOp():
                return self._alter_column(operation)
        return {}, {}, set()

    def _alter_column(
        self, alter: ops.AlterColumnOp
    ) -> tuple[Mapping[str, str], Mapping[str, str], set[str]]:
        changed = {}
        if alter.modify_type is not None and alter.existing_type is not None:
            using = alter.kw.get("postgresql_using")
            changed[alter.column_name] = self.converted_values(
                alter.column_name, alter.existing_type, alter.modify_type, using
            )
        new = alter.modify_name
        return changed, {} if new is None else {alter.column_name: new}, set()

    def literal(self, value: Any) -> str:
        """Render a value as SQL."""
        dialect = self.connection.dialect
        if isinstance(value, bytes):
            return bytes_literal(value, dialect)
        expression = value if isinstance(value, sa.ClauseElement) else sa.literal(value)
        sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        return sql.replace("%%", "%") if doubles_percent_signs(dialect) else sql

    def mapped_values(self, column: str, values: Mapping[Any, Any]) -> str:
        """The SQL of a column's values after a mapping of old values to new ones."""
        name = self.quote(column)
        cases = " ".join(
            f"WHEN {self.literal(old)} THEN {self.literal(new)}" for old, new in values.items()
        )
        return f"CASE {name} {cases} ELSE {name} END" if cases else name

    def converted_values(self, column: str, was: Any, new: Any, using: str | None) -> str:
        """The SQL of a column's values after its type changed."""
        name = self.quote(column)
        if self.dialect == "postgresql":
            return using or name
        if enum_key(plain_type(was)) or enum_key(plain_type(new)):
            return name
        applied = conversion(plain_type(was), plain_type(new))
        return "NULL" if applied is None else applied.value("sqlite", name) or name


def rows_that(count: int, singular: str, plural: str) -> str:
    """A counted number of rows with a verb, such as "1 row has" or "1,000 or more rows have"."""
    if count == 1:
        return f"1 row {singular}"
    return f"{count:,}{' or more' if count >= COUNT_LIMIT else ''} rows {plural}"
