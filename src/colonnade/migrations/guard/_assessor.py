"""What one step would cost on the rows and sizes that its table has."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._descriptions import describe, table_of
from colonnade.migrations.autogenerate._enum_types import Column as EnumColumn
from colonnade.migrations.autogenerate._enum_types import columns_with
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.guard._projection import Projection
from colonnade.migrations.guard._row_checks import RowChecks, many
from colonnade.migrations.guard._squawk import Kind, judge_sql
from colonnade.migrations.guard._table_size import BUILT, READ, WRITTEN, TableSize, facts_of
from colonnade.migrations.operations._types import enum_key, plain_type


class StepAssessor:
    def __init__(self, connection: Connection, longest: float) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.longest = longest
        self.revision = ""
        self.projection = Projection(connection)
        self._rows = RowChecks(self.projection)
        self._made: set[str] = set()
        self._facts: dict[tuple[str | None, str], TableSize | None] = {}

    def judge(self, operation: MigrateOperation) -> Iterator[Finding]:
        """What is dangerous in an operation; those before it are remembered."""
        table = table_of(operation)
        self._rows.revision = self.revision
        if isinstance(operation, ops.CreateTableOp):
            self._made.add(operation.table_name)
        elif table not in self._made:
            rule = self._rules().get(type(operation))
            if rule is not None:
                yield from rule(operation)
        yield from self._rows.check(operation)

    def _rules(self) -> dict[type[Any], Callable[[Any], Iterator[Finding]]]:
        return {
            ops.DropTableOp: self._drop_table,
            ops.DropColumnOp: self._drop_column,
            ops.AlterColumnOp: self._alter_column,
            ops.AddColumnOp: self._add_column,
            ops.CreateIndexOp: self._create_index,
            ops.CreateCheckConstraintOp: self._add_constraint,
            ops.CreateForeignKeyOp: self._add_constraint,
            ops.CreateUniqueConstraintOp: self._add_constraint,
            ops.ExecuteSQLOp: self._execute,
            safe_ops.ChangeType: self._change_type,
            safe_ops.ChangeEnum: self._change_enum,
            safe_ops.AddCheck: self._add_check,
            safe_ops.ReplaceCheck: self._add_check,
            safe_ops.SetDefault: self._set_default,
            safe_ops.SetNotNull: self._set_not_null,
            safe_ops.MapValues: self._map_values,
            safe_ops.Require: self._require,
            safe_ops.AddUnique: self._add_unique,
            safe_ops.ChangeComputed: self._change_computed,
        }

    def facts(self, table: str, schema: str | None) -> TableSize:
        """The size of a table as it is, whatever it will be called by then."""
        key = (schema, self.projection.real_name(schema, table))
        if key not in self._facts:
            self._facts[key] = facts_of(self.connection, key[1], schema)
        return self._facts[key] or TableSize(0, 0)

    def _finding(
        self,
        kind: Kind,
        subject: str,
        operation: MigrateOperation,
        why: str,
        instead: str = "",
        table: str = "",
    ) -> Finding:
        return Finding(kind, subject, self.revision, describe(operation), why, instead, table)

    def _locks(
        self,
        operation: MigrateOperation,
        table: str,
        schema: str | None,
        rate: float,
        whom: str,
        instead: str,
    ) -> Iterator[Finding]:
        facts = self.facts(table, schema)
        seconds = facts.size / rate
        if facts.rows and seconds > self.longest:
            why = f"{whom} of {table} wait while {facts} are scanned, about {_time(seconds)}."
            yield self._finding("locks", table, operation, why, instead)

    def _rewritten(
        self, operation: MigrateOperation, table: str, schema: str | None, instead: str = ""
    ) -> Iterator[Finding]:
        yield from self._locks(
            operation, table, schema, WRITTEN, "all readers and writers", instead
        )

    def _drop_table(self, operation: ops.DropTableOp) -> Iterator[Finding]:
        table = operation.table_name
        facts = self.facts(table, operation.schema)
        if facts.rows:
            instead = (
                f"remove the model and let `colonnade migrate` put the table aside as "
                f"{table}{safe_ops.ASIDE}; drop it once nothing has needed it for a while."
            )
            yield self._finding("loses-data", table, operation, f"it has {facts}.", instead)

    def _drop_column(self, operation: ops.DropColumnOp) -> Iterator[Finding]:
        table, column = operation.table_name, operation.column_name
        name = self.connection.dialect.identifier_preparer.quote(column)
        held = self.projection.count(operation.schema, table, f"{name} IS NOT NULL")
        if held and not self._is_computed(operation):
            instead = (
                f"let `colonnade migrate` put it aside as {column}{safe_ops.ASIDE}; drop it once "
                "nothing has needed it for a while."
            )
            if safe_ops.is_aside(column):
                instead = "leave it aside."
            why = f"{many(held)} rows have a value in it."
            yield self._finding("loses-data", f"{table}.{column}", operation, why, instead)

    def _is_computed(self, operation: ops.DropColumnOp) -> bool:
        """Whether the values of a column can be computed again."""
        real = self.projection.real_name(operation.schema, operation.table_name)
        inspector = sa.inspect(self.connection)
        if not inspector.has_table(real, operation.schema):
            return False
        columns = inspector.get_columns(real, operation.schema)
        return any(
            column["name"] == operation.column_name and "computed" in column for column in columns
        )

    def _alter_column(self, operation: ops.AlterColumnOp) -> Iterator[Finding]:
        table, column, schema = operation.table_name, operation.column_name, operation.schema
        if operation.modify_type is not None:
            yield from self._retyped(
                operation, table, column, schema, operation.existing_type, operation.modify_type
            )
        if operation.modify_nullable is False and self.dialect == "postgresql":
            yield from self._locks(
                operation, table, schema, READ, "all readers and writers",
                f'steps.set_not_null("{table}", "{column}").',
            )  # fmt: skip
        if self.dialect == "sqlite":
            yield from self._rewritten(operation, table, schema)

    def _change_type(self, step: safe_ops.ChangeType) -> Iterator[Finding]:
        yield from self._retyped(step, step.table, step.column, step.schema, step.was, step.type_)

    def _change_enum(self, step: safe_ops.ChangeEnum) -> Iterator[Finding]:
        if not step.is_new_type:
            return
        for column in self._columns_with(step):
            if self.dialect == "postgresql":
                yield from self._rewritten(step, column.table, column.schema)
            if step.removed:
                yield from self._without_value(step, column)
        if len(set(step.mapping.values()) - set(step.was)) < len(step.mapping):
            why = "several values become one, so that the originals are lost."
            yield self._finding("cannot-undo", step.name, step, why)

    def _columns_with(self, step: safe_ops.ChangeEnum) -> list[EnumColumn]:
        """The columns of a type, by what they and their tables are called now."""
        if self.dialect == "postgresql":
            return columns_with(self.connection, (step.schema, step.name))
        names = [full.rpartition(".") for full in step.columns]
        return [EnumColumn(None, table, column, False) for table, _, column in names]

    def _without_value(self, step: safe_ops.ChangeEnum, column: EnumColumn) -> Iterator[Finding]:
        """Rows that hold a value that goes."""
        name = self.connection.dialect.identifier_preparer.quote(column.name)
        values = ", ".join("'" + value.replace("'", "''") + "'" for value in step.removed)
        condition = f"{name} IN ({values})"
        if column.is_array:
            condition = f"{name}::text[] && ARRAY[{values}]"
        held = self.projection.count(column.schema, column.table, condition)
        if held:
            have = "row has" if held == 1 else "rows have"
            where = f"{column.table}.{column.name}"
            yield self._finding(
                "fails", step.name, step,
                f"{many(held)} {have} a value in {where} that is removed: {values}.",
                f'map it: mapping={{"{step.removed[0]}": ...}} of steps.change_enum, '
                "or --map when the revision is written.",
                column.table,
            )  # fmt: skip

    def _retyped(
        self,
        operation: MigrateOperation,
        table: str,
        column: str,
        schema: str | None,
        was: Any,
        new: Any,
    ) -> Iterator[Finding]:
        old = plain_type(was) if was is not None else None
        new = plain_type(new)
        if self.dialect == "sqlite" or _rewrites(old, new):
            instead = (
                "add a column of the new type beside it, have the application write both, fill it "
                "with steps.for_each_batch, and put the old one aside."
            )
            yield from self._rewritten(operation, table, schema, instead)

    def _add_column(self, operation: ops.AddColumnOp) -> Iterator[Finding]:
        column, table, schema = operation.column, operation.table_name, operation.schema
        facts = self.facts(table, schema)
        has_default = column.server_default is not None
        if not column.nullable and not has_default and facts.rows:
            why = f"{facts} have no value for it."
            instead = (
                "add it without NOT NULL, then steps.require it, as `colonnade migrate` writes it."
            )
            name = f"{table}.{column.name}"
            yield self._finding("fails", name, operation, why, instead)
        if has_default and self.dialect == "postgresql" and _is_volatile(column, self.connection):
            yield from self._rewritten(
                operation, table, schema, "add it without the default, set that, and steps.fill."
            )

    def _create_index(self, operation: ops.CreateIndexOp) -> Iterator[Finding]:
        concurrently = operation.kw.get("postgresql_concurrently")
        if not concurrently:
            yield from self._locks(
                operation, operation.table_name, operation.schema, BUILT, "writers",
                "steps.add_index, which builds it while others write."
                if self.dialect == "postgresql" else "",
            )  # fmt: skip

    def _add_constraint(self, operation: Any) -> Iterator[Finding]:
        table = str(table_of(operation))
        schema = getattr(operation, "schema", None)
        if self.dialect == "sqlite":
            yield from self._rewritten(operation, table, schema)
            return
        unique = isinstance(operation, ops.CreateUniqueConstraintOp)
        foreign = isinstance(operation, ops.CreateForeignKeyOp)
        step = "add_unique" if unique else "add_foreign_key" if foreign else "add_check"
        yield from self._locks(
            operation, table, schema, BUILT if unique else READ, "writers",
            f"steps.{step}, which looks at the rows while others write.",
        )  # fmt: skip

    def _add_check(self, step: safe_ops.AddCheck) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)
        if isinstance(step, safe_ops.ReplaceCheck) and step.column is not None:
            yield from self._merging(step, step.table, step.column, step.values)

    def _set_not_null(self, step: safe_ops.SetNotNull) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _set_default(self, step: safe_ops.SetDefault) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _require(self, step: safe_ops.Require) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _add_unique(self, step: safe_ops.AddUnique) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _map_values(self, step: safe_ops.MapValues) -> Iterator[Finding]:
        yield from self._merging(step, step.table, step.column, step.values)

    def _merging(
        self, step: safe_ops.Step, table: str, column: str, values: Mapping[Any, Any]
    ) -> Iterator[Finding]:
        if len(set(values.values())) < len(values):
            why = "several values become one, so that the originals are lost."
            yield self._finding("cannot-undo", f"{table}.{column}", step, why)

    def _change_computed(self, step: safe_ops.ChangeComputed) -> Iterator[Finding]:
        column = self.projection.quote(step.column)
        if step.was is None:
            held = self.projection.count(step.schema, step.table, f"{column} IS NOT NULL")
            if held:
                why = f"{many(held)} rows have a value in it, which is computed from then on."
                yield self._finding("loses-data", f"{step.table}.{step.column}", step, why)
        if step.expression is not None or self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _execute(self, operation: ops.ExecuteSQLOp) -> Iterator[Finding]:
        sql = str(operation.sqltext)
        for kind, why in judge_sql(sql, self.dialect):
            yield self._finding(kind, self.revision, operation, why)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _rewrites(old: Any, new: Any) -> bool:
    """Whether PostgreSQL writes the table anew for a change of type.

    Not where every old value is a new one as it stands: text of any length to longer text, a
    NUMERIC to more digits. https://www.postgresql.org/docs/current/sql-altertable.html#NOTES
    """
    if old is None:
        return True
    if enum_key(old) or enum_key(new):
        return enum_key(old) != enum_key(new)
    if isinstance(old, sa.String) and isinstance(new, sa.String):
        return new.length is not None and (old.length is None or new.length < old.length)
    if isinstance(old, sa.Numeric) and type(old) is type(new):
        return old.scale != new.scale or (new.precision or 10**9) < (old.precision or 10**9)
    return True


_FUNCTION = re.compile(r"(?:[\w$]+\.)?([\w$]+)\s*\(")
_NOT_CODE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Literals, quoted names and comments, in which nothing is called."""


def _is_volatile(column: sa.Column[Any], connection: Connection) -> bool:
    """Whether PostgreSQL has to compute a default for each row, which rewrites the table.

    https://www.postgresql.org/docs/current/xfunc-volatility.html
    """
    default = column.server_default
    if isinstance(default, sa.Identity | sa.Sequence | sa.Computed):
        return True
    argument: Any = getattr(default, "arg", "")
    sql = "" if isinstance(argument, str) else str(argument)  # a string is a literal
    functions = [name.lower() for name in _FUNCTION.findall(_NOT_CODE.sub("''", sql))]
    query = sa.text(
        "SELECT count(*) FROM pg_proc WHERE proname = ANY(:names) AND provolatile = 'v'"
    )
    return bool(functions) and bool(connection.scalar(query, {"names": functions}))
