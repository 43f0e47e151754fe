"""What the rows of a database will be after the steps that come first, as SELECTs of what they are.

Each step on a table wraps the SELECT of it in another: a renamed column in one that names it so, a
filled one in one with ``coalesce()``. So a constraint is judged by the rows that it will meet, and
nothing is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.operations._base import bytes_literal
from colonnade.migrations.operations._conversions import ELEMENTS, MAKE_ELEMENTS, conversion
from colonnade.migrations.operations._types import enum_key, plain_type

LIMIT = 1000
"""Rows are counted up to this many."""


@dataclass
class Projected:
    """A table as it will be.

    Attributes:
        schema: Its schema.
        real: Its name now; None if it does not exist yet.
        columns: The names of its columns.
        source: A SELECT of its rows; None if they are not known, as after SQL of the revision's.
    """

    schema: str | None
    real: str | None
    columns: list[str]
    source: str | None


class Projection:
    """The tables of a database as they will be.

    Args:
        connection: The database; nothing is changed in it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self._tables: dict[tuple[str | None, str], Projected] = {}
        self._gone: set[tuple[str | None, str]] = set()
        self._is_known = True

    def quote(self, name: str) -> str:
        """A name as SQL."""
        return self.connection.dialect.identifier_preparer.quote(name)

    def table(self, schema: str | None, name: str) -> Projected | None:
        """A table by the name it has by then; None if there is none."""
        key = (schema, name)
        if key not in self._tables:
            if key in self._gone or not sa.inspect(self.connection).has_table(name, schema):
                return None
            columns = [
                column["name"] for column in sa.inspect(self.connection).get_columns(name, schema)
            ]
            preparer = self.connection.dialect.identifier_preparer
            full = f"{preparer.quote_schema(schema)}.{self.quote(name)}" if schema else None
            source = f"SELECT * FROM {full or self.quote(name)}" if self._is_known else None  # noqa: S608
            self._tables[key] = Projected(schema, name, columns, source)
        return self._tables[key]

    def real_name(self, schema: str | None, name: str) -> str:
        """The name that a table has now."""
        table = self.table(schema, name)
        return name if table is None or table.real is None else table.real

    def rows(self, schema: str | None, name: str) -> str | None:
        """The rows of a table, for a FROM clause; None if they are not known."""
        table = self.table(schema, name)
        if table is None or table.source is None:
            return None
        return f"({table.source}) AS {self.quote(name)}"

    def count(self, schema: str | None, name: str, condition: str) -> int:
        """How many rows of a table will meet a condition, up to ``LIMIT``; 0 if nobody knows."""
        rows = self.rows(schema, name)
        if rows is None:
            return 0
        query = f"SELECT 1 FROM {rows} WHERE {condition} LIMIT {LIMIT}"  # noqa: S608
        return int(self.ask(f"SELECT count(*) FROM ({query}) AS x") or 0)  # noqa: S608

    def ask(self, query: str) -> Any:
        """The answer to a query; None if it cannot be asked."""
        try:
            return self.ask_strictly(query)
        except DBAPIError:
            return None

    def ask_strictly(self, query: str) -> Any:
        """The answer to a query.

        Raises:
            DBAPIError: It cannot be asked: a value cannot be converted, say.
        """
        nested = self.connection.begin_nested() if self.dialect == "postgresql" else None
        try:
            if ELEMENTS in query:
                self.connection.exec_driver_sql(MAKE_ELEMENTS)
            return self.connection.execute(sa.text(query.replace(":", "\\:"))).scalar()
        finally:
            if nested is not None:
                nested.rollback()

    def apply(self, operation: MigrateOperation) -> None:
        """Have an operation be done to the rows."""
        match operation:
            case ops.CreateTableOp():
                self._make(operation)
            case ops.DropTableOp():
                self._drop(operation.schema, operation.table_name)
            case ops.RenameTableOp():
                self._rename(operation.schema, operation.table_name, operation.new_table_name)
            case safe_ops.RenameTable():
                self._rename(operation.schema, operation.table, operation.new)
            case ops.ExecuteSQLOp():
                self._forget_all()
            case ops.BulkInsertOp():
                self._forget(operation.table.schema, operation.table.name)
            case safe_ops.ForEachBatch():
                self._forget(operation.schema, operation.table)
            case safe_ops.ChangeEnum():
                self._map_enum(operation)
            case _:
                self._change(operation)

    def _make(self, operation: ops.CreateTableOp) -> None:
        columns = [column.name for column in operation.columns if isinstance(column, sa.Column)]
        empty = ", ".join(f"NULL AS {self.quote(column)}" for column in columns)
        self._tables[operation.schema, operation.table_name] = Projected(
            operation.schema, None, columns, f"SELECT {empty} WHERE 1 = 0"
        )

    def _drop(self, schema: str | None, name: str) -> None:
        self._tables.pop((schema, name), None)
        self._gone.add((schema, name))

    def _rename(self, schema: str | None, name: str, new: str) -> None:
        table = self.table(schema, name)
        if table is not None:
            self._drop(schema, name)
            self._tables[schema, new] = table

    def _forget(self, schema: str | None, name: str) -> None:
        table = self.table(schema, name)
        if table is not None:
            table.source = None

    def _forget_all(self) -> None:
        self._is_known = False
        for table in self._tables.values():
            table.source = None

    def _map_enum(self, step: safe_ops.ChangeEnum) -> None:
        for full in step.columns:
            table, _, column = full.rpartition(".")
            self.apply(safe_ops.MapValues(table, column, step.mapping))

    def _change(self, operation: MigrateOperation) -> None:
        name, schema = table_of(operation), getattr(operation, "schema", None)
        table = None if name is None else self.table(schema, name)
        if table is None or name is None:
            return
        changed, renamed, gone = self._changes(operation)
        if not (changed or renamed or gone):
            return
        columns = {
            renamed.get(column, column): changed.get(column, self.quote(column))
            for column in table.columns
            if column not in gone
        }
        columns |= {name: sql for name, sql in changed.items() if name not in table.columns}
        if table.source is not None:
            columns_sql = ", ".join(f"{sql} AS {self.quote(name)}" for name, sql in columns.items())
            table.source = f"SELECT {columns_sql} FROM ({table.source}) AS {self.quote(name)}"  # noqa: S608
        table.columns = list(columns)

    def _changes(
        self, operation: MigrateOperation
    ) -> tuple[Mapping[str, str], Mapping[str, str], set[str]]:
        """What a step makes of columns: their values as SQL, their names, those that go."""
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
                    {operation.column: self.mapped(operation.column, operation.values)},
                    {},
                    set(),
                )
            case safe_ops.ReplaceCheck() if operation.column is not None and operation.values:
                return (
                    {operation.column: self.mapped(operation.column, operation.values)},
                    {},
                    set(),
                )
            case safe_ops.ChangeType():
                value = self.converted(
                    operation.column, operation.was, operation.type_, operation.using
                )
                return {operation.column: value}, {}, set()
            case ops.AddColumnOp():
                default = getattr(operation.column.server_default, "arg", None)
                value = "NULL" if default is None else self.literal(default)
                return {operation.column.name: value}, {}, set()
            case ops.DropColumnOp():
                return {}, {}, {operation.column_name}
            case ops.AlterColumnOp():
                return self._altered(operation)
        return {}, {}, set()

    def _altered(
        self, alter: ops.AlterColumnOp
    ) -> tuple[Mapping[str, str], Mapping[str, str], set[str]]:
        changed = {}
        if alter.modify_type is not None and alter.existing_type is not None:
            using = alter.kw.get("postgresql_using")
            changed[alter.column_name] = self.converted(
                alter.column_name, alter.existing_type, alter.modify_type, using
            )
        new = alter.modify_name
        return changed, {} if new is None else {alter.column_name: new}, set()

    def literal(self, value: Any) -> str:
        """A value as SQL."""
        dialect = self.connection.dialect
        if isinstance(value, bytes):
            return bytes_literal(value, dialect)
        expression = value if isinstance(value, sa.ClauseElement) else sa.literal(value)
        sql = str(expression.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        return sql.replace("%%", "%") if dialect.identifier_preparer._double_percents else sql

    def mapped(self, column: str, values: Mapping[Any, Any]) -> str:
        """A column's values after some became others."""
        name = self.quote(column)
        cases = " ".join(
            f"WHEN {self.literal(old)} THEN {self.literal(new)}" for old, new in values.items()
        )
        return f"CASE {name} {cases} ELSE {name} END" if cases else name

    def converted(self, column: str, was: Any, new: Any, using: str | None) -> str:
        """A column's values after its type changed."""
        name = self.quote(column)
        if self.dialect == "postgresql":
            return using or name
        converted = conversion(plain_type(was), plain_type(new))
        if enum_key(plain_type(was)) or enum_key(plain_type(new)):
            return name
        return "NULL" if converted is None else converted.value("sqlite", name) or name
