"""Assess one step by the rows and the size of its table."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._descriptions import describe, table_of
from colonnade.migrations.autogenerate._enum_types import EnumColumn, columns_with
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.guard._projection import Projection, rows_that
from colonnade.migrations.guard._row_checks import RowChecks
from colonnade.migrations.guard._squawk import Kind, assess_sql
from colonnade.migrations.guard._table_size import (
    INDEX_RATE,
    REWRITE_RATE,
    SCAN_RATE,
    TableSize,
    table_size,
)
from colonnade.migrations.guard._volatile_defaults import is_volatile
from colonnade.migrations.operations._types import enum_key, plain_type

_EVERYONE = "all readers and writers"


class StepAssessor:
    """Assesses the steps of revisions in the order in which they will run.

    Args:
        connection: The database; nothing is changed in it.
        max_wait: How long other sessions may be blocked, in seconds.

    Attributes:
        revision: The id of the revision that is being assessed; set by the caller.
    """

    def __init__(self, connection: Connection, max_wait: float) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.max_wait = max_wait
        self.revision = ""
        self.projection = Projection(connection)
        self._row_checks = RowChecks(self.projection)
        self._created: set[str] = set()
        self._sizes: dict[tuple[str | None, str], TableSize | None] = {}

    def assess(self, operation: MigrateOperation) -> Iterator[Finding]:
        """Yield the dangers of an operation, given the operations before it."""
        table = table_of(operation)
        self._row_checks.revision = self.revision
        if isinstance(operation, ops.CreateTableOp):
            self._created.add(operation.table_name)
        elif table not in self._created:
            rule = self._rules().get(type(operation))
            if rule is not None:
                yield from rule(operation)
        yield from self._row_checks.check(operation)

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

    def size_of(self, table: str, schema: str | None) -> TableSize:
        """The current size of a table.

        Args:
            table: Its name at the time of the step, after the renames before it.
            schema: Its schema.
        """
        key = (schema, self.projection.current_name(schema, table))
        if key not in self._sizes:
            self._sizes[key] = table_size(self.connection, key[1], schema)
        return self._sizes[key] or TableSize(0, 0)

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

    def _block(
        self,
        operation: MigrateOperation,
        table: str,
        schema: str | None,
        rate: float,
        blocked: str,
        instead: str,
    ) -> Iterator[Finding]:
        """Report a step that blocks other sessions while it goes through a table.

        Args:
            operation: The step.
            table: The table.
            schema: Its schema.
            rate: Bytes per second.
            blocked: The sessions that wait: readers, writers or both.
            instead: A safe alternative.
        """
        size = self.size_of(table, schema)
        seconds = size.size / rate
        if size.rows and seconds > self.max_wait:
            why = (
                f"{blocked} of {table} are blocked for about {_duration(seconds)} while the "
                f"database processes {size}."
            )
            yield self._finding("locks", table, operation, why, instead)

    def _rewrite(
        self, operation: MigrateOperation, table: str, schema: str | None, instead: str = ""
    ) -> Iterator[Finding]:
        """Report a step that rewrites a table, if that takes too long."""
        yield from self._block(operation, table, schema, REWRITE_RATE, _EVERYONE, instead)

    def _drop_table(self, operation: ops.DropTableOp) -> Iterator[Finding]:
        table = operation.table_name
        size = self.size_of(table, operation.schema)
        if size.rows:
            instead = (
                "remove the model and let `colonnade migrate` rename the table to "
                f"{table}{safe_ops.ASIDE_SUFFIX}; drop it later, once nothing depends on it."
            )
            yield self._finding("loses-data", table, operation, f"it has {size}.", instead)

    def _drop_column(self, operation: ops.DropColumnOp) -> Iterator[Finding]:
        table, column = operation.table_name, operation.column_name
        name = self.connection.dialect.identifier_preparer.quote(column)
        count = self.projection.count(operation.schema, table, f"{name} IS NOT NULL")
        if count and not self._is_computed(operation):
            instead = (
                f"let `colonnade migrate` rename it to {column}{safe_ops.ASIDE_SUFFIX}; drop it "
                "later, once nothing depends on it."
            )
            if safe_ops.is_aside(column):
                instead = "keep the column."
            why = f"{rows_that(count, 'has', 'have')} a value in it."
            yield self._finding("loses-data", f"{table}.{column}", operation, why, instead)

    def _is_computed(self, operation: ops.DropColumnOp) -> bool:
        """Whether a column is generated, so that its values can be computed again."""
        table = self.projection.current_name(operation.schema, operation.table_name)
        inspector = sa.inspect(self.connection)
        if not inspector.has_table(table, operation.schema):
            return False
        columns = inspector.get_columns(table, operation.schema)
        return any(
            column["name"] == operation.column_name and "computed" in column for column in columns
        )

    def _alter_column(self, operation: ops.AlterColumnOp) -> Iterator[Finding]:
        table, column, schema = operation.table_name, operation.column_name, operation.schema
        if operation.modify_type is not None:
            yield from self._new_type(
                operation, table, schema, operation.existing_type, operation.modify_type
            )
        if operation.modify_nullable is False and self.dialect == "postgresql":
            yield from self._block(
                operation, table, schema, SCAN_RATE, _EVERYONE,
                f'steps.set_not_null("{table}", "{column}").',
            )  # fmt: skip
        if self.dialect == "sqlite":
            yield from self._rewrite(operation, table, schema)

    def _change_type(self, step: safe_ops.ChangeType) -> Iterator[Finding]:
        yield from self._new_type(step, step.table, step.schema, step.was, step.type_)

    def _change_enum(self, step: safe_ops.ChangeEnum) -> Iterator[Finding]:
        if not step.recreates_type:
            return
        for column in self._columns_with(step):
            if self.dialect == "postgresql":
                yield from self._rewrite(step, column.table, column.schema)
            if step.removed:
                yield from self._removed_values(step, column)
        if len(set(step.mapping.values()) - set(step.was)) < len(step.mapping):
            yield self._finding("cannot-undo", step.name, step, _MERGED_VALUES)

    def _columns_with(self, step: safe_ops.ChangeEnum) -> list[EnumColumn]:
        """The columns of an enum type, by their current names."""
        if self.dialect == "postgresql":
            return columns_with(self.connection, (step.schema, step.name))
        names = [qualified.rpartition(".") for qualified in step.columns]
        return [EnumColumn(None, table, column, False) for table, _, column in names]

    def _removed_values(self, step: safe_ops.ChangeEnum, column: EnumColumn) -> Iterator[Finding]:
        """Report rows with a value that the enum type no longer has."""
        name = self.connection.dialect.identifier_preparer.quote(column.name)
        values = ", ".join("'" + value.replace("'", "''") + "'" for value in step.removed)
        condition = f"{name} IN ({values})"
        if column.is_array:
            condition = f"{name}::text[] && ARRAY[{values}]"
        count = self.projection.count(column.schema, column.table, condition)
        if count:
            why = (
                f"{rows_that(count, 'has', 'have')} a value in {column.table}.{column.name} that "
                f"is removed: {values}."
            )
            instead = (
                f'map the value to another: mapping={{"{step.removed[0]}": ...}} of '
                "steps.change_enum, or `colonnade migrate --map`."
            )
            yield self._finding("fails", step.name, step, why, instead, column.table)

    def _new_type(
        self, operation: MigrateOperation, table: str, schema: str | None, was: Any, new: Any
    ) -> Iterator[Finding]:
        old = plain_type(was) if was is not None else None
        if self.dialect == "sqlite" or needs_rewrite(old, plain_type(new)):
            instead = (
                "add a column of the new type, have the application write both, fill the new one "
                "with steps.for_each_batch, and put the old one aside."
            )
            yield from self._rewrite(operation, table, schema, instead)

    def _add_column(self, operation: ops.AddColumnOp) -> Iterator[Finding]:
        column, table, schema = operation.column, operation.table_name, operation.schema
        has_default = column.server_default is not None
        if not column.nullable and not has_default:
            rows = self.size_of(table, schema).rows
            if rows:
                count = f"{rows:,} row{'' if rows == 1 else 's'}"
                why = f"it is NOT NULL without a default, and {table} has {count}."
                instead = (
                    "add a nullable column, then steps.require(), as `colonnade migrate` writes it."
                )
                name = f"{table}.{column.name}"
                yield self._finding("fails", name, operation, why, instead)
        if has_default and self.dialect == "postgresql" and is_volatile(column, self.connection):
            yield from self._rewrite(
                operation, table, schema,
                "add the column without the default, then set the default and use steps.fill.",
            )  # fmt: skip

    def _create_index(self, operation: ops.CreateIndexOp) -> Iterator[Finding]:
        if not operation.kw.get("postgresql_concurrently"):
            yield from self._block(
                operation, operation.table_name, operation.schema, INDEX_RATE, "writers",
                "steps.add_index, which does not block writers."
                if self.dialect == "postgresql" else "",
            )  # fmt: skip

    def _add_constraint(self, operation: Any) -> Iterator[Finding]:
        table = str(table_of(operation))
        schema = getattr(operation, "schema", None)
        if self.dialect == "sqlite":
            yield from self._rewrite(operation, table, schema)
            return
        is_unique = isinstance(operation, ops.CreateUniqueConstraintOp)
        is_foreign_key = isinstance(operation, ops.CreateForeignKeyOp)
        step = "add_unique" if is_unique else "add_foreign_key" if is_foreign_key else "add_check"
        yield from self._block(
            operation, table, schema, INDEX_RATE if is_unique else SCAN_RATE, "writers",
            f"steps.{step}, which does not block writers.",
        )  # fmt: skip

    def _add_check(self, step: safe_ops.AddCheck) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewrite(step, step.table, step.schema)
        if isinstance(step, safe_ops.ReplaceCheck) and step.column is not None:
            yield from self._merged_values(step, step.table, step.column, step.values)

    def _set_not_null(self, step: safe_ops.SetNotNull) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewrite(step, step.table, step.schema)

    def _set_default(self, step: safe_ops.SetDefault) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewrite(step, step.table, step.schema)

    def _require(self, step: safe_ops.Require) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewrite(step, step.table, step.schema)

    def _add_unique(self, step: safe_ops.AddUnique) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewrite(step, step.table, step.schema)

    def _map_values(self, step: safe_ops.MapValues) -> Iterator[Finding]:
        yield from self._merged_values(step, step.table, step.column, step.values)

    def _merged_values(
        self, step: safe_ops.Step, table: str, column: str, values: Mapping[Any, Any]
    ) -> Iterator[Finding]:
        """Report a mapping of several values to the same one."""
        if len(set(values.values())) < len(values):
            yield self._finding("cannot-undo", f"{table}.{column}", step, _MERGED_VALUES)

    def _change_computed(self, step: safe_ops.ChangeComputed) -> Iterator[Finding]:
        column = self.projection.quote(step.column)
        if step.was is None:
            count = self.projection.count(step.schema, step.table, f"{column} IS NOT NULL")
            if count:
                why = f"{rows_that(count, 'has', 'have')} a value in it, which is overwritten."
                yield self._finding("loses-data", f"{step.table}.{step.column}", step, why)
        if step.expression is not None or self.dialect == "sqlite":
            yield from self._rewrite(step, step.table, step.schema)

    def _execute(self, operation: ops.ExecuteSQLOp) -> Iterator[Finding]:
        sql = str(operation.sqltext)
        for kind, why in assess_sql(sql, self.dialect):
            yield self._finding(kind, self.revision, operation, why)


_MERGED_VALUES = "several values become the same value, so the original values cannot be restored."


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def needs_rewrite(old: Any, new: Any) -> bool:
    """Whether PostgreSQL rewrites a table to change a column's type.

    It does not if the stored values stay valid: longer text, or a NUMERIC of higher precision.
    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
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
