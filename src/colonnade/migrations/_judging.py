"""What one step would cost on the rows and sizes that its table has."""

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection

from colonnade.migrations import _operations as own
from colonnade.migrations._describing import describe, table_of
from colonnade.migrations._enums import Column as EnumColumn
from colonnade.migrations._enums import columns_with
from colonnade.migrations._facts import BUILT, READ, WRITTEN, Facts, count_where, facts_of
from colonnade.migrations._finding import Finding
from colonnade.migrations._rendering import condition_of, enum_key, plain_type
from colonnade.migrations._squawk import Kind, judge_sql
from colonnade.migrations._stored import normal


class Judge:
    def __init__(self, connection: Connection, longest: float) -> None:
        self.connection = connection
        self.dialect = connection.dialect.name
        self.longest = longest
        self.revision = ""
        self._made: set[str] = set()
        self._touched: set[str] = set()
        self._names: dict[str, str] = {}
        self._facts: dict[tuple[str | None, str], Facts | None] = {}

    def judge(self, operation: MigrateOperation) -> Iterator[Finding]:
        """What is dangerous in an operation; those before it are remembered."""
        table = table_of(operation)
        if isinstance(operation, ops.CreateTableOp):
            self._made.add(operation.table_name)
        elif table not in self._made:
            rule = self._rules().get(type(operation))
            if rule is not None:
                yield from rule(operation)
        self._remember(operation, table)

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
            own.ChangeType: self._change_type,
            own.ChangeEnum: self._change_enum,
            own.AddCheck: self._add_check,
            own.ReplaceCheck: self._add_check,
            own.SetDefault: self._set_default,
            own.SetNotNull: self._set_not_null,
            own.MapValues: self._map_values,
            own.Require: self._require,
            own.AddUnique: self._add_unique,
        }

    def _remember(self, operation: Any, table: str | None) -> None:
        if isinstance(operation, own.RenameTable):
            self._names[operation.new] = self._names.get(table or "", table or "")
        if isinstance(
            operation, own.Fill | own.MapValues | own.Require | own.ForEachBatch | own.RenameColumn
        ):
            self._touched.add(operation.table)
        if isinstance(operation, ops.ExecuteSQLOp | ops.BulkInsertOp):
            self._touched.update(self._facts_known())
        if isinstance(operation, ops.AddColumnOp | own.PutAside) and table is not None:
            self._touched.add(table)

    def _facts_known(self) -> set[str]:
        return set(sa.inspect(self.connection).get_table_names())

    def facts(self, table: str, schema: str | None) -> Facts:
        """The size of a table as it is, whatever it will be called by then."""
        key = (schema, self._names.get(table, table))
        if key not in self._facts:
            self._facts[key] = facts_of(self.connection, key[1], schema)
        return self._facts[key] or Facts(0, 0)

    def _finding(
        self, kind: Kind, subject: str, operation: MigrateOperation, why: str, instead: str = ""
    ) -> Finding:
        return Finding(kind, subject, self.revision, describe(operation), why, instead)

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
            why = f"{whom} of {table} wait while {facts} are gone through, about {_time(seconds)}."
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
                f"take the model away and let `colonnade migrate` put the table aside as "
                f"{table}{own.ASIDE}; drop it when nothing has missed it for a while."
            )
            yield self._finding("loses-data", table, operation, f"it has {facts}.", instead)

    def _drop_column(self, operation: ops.DropColumnOp) -> Iterator[Finding]:
        table, column = operation.table_name, operation.column_name
        name = self.connection.dialect.identifier_preparer.quote(column)
        held = count_where(
            self.connection, self._names.get(table, table), operation.schema, f"{name} IS NOT NULL"
        )
        if held:
            instead = (
                f"let `colonnade migrate` put it aside as {column}{own.ASIDE}; drop it when "
                "nothing has missed it for a while."
            )
            if column.endswith(own.ASIDE):
                instead = "leave it aside."
            why = f"{_many(held)} rows have a value in it."
            yield self._finding("loses-data", f"{table}.{column}", operation, why, instead)

    def _alter_column(self, operation: ops.AlterColumnOp) -> Iterator[Finding]:
        table, column, schema = operation.table_name, operation.column_name, operation.schema
        if operation.modify_type is not None:
            yield from self._retyped(
                operation, table, column, schema, operation.existing_type, operation.modify_type
            )
        if operation.modify_nullable is False:
            yield from self._nulls(operation, table, column, schema)
            if self.dialect == "postgresql":
                yield from self._locks(
                    operation, table, schema, READ, "all readers and writers",
                    f'steps.set_not_null("{table}", "{column}").',
                )  # fmt: skip
        if self.dialect == "sqlite":
            yield from self._rewritten(operation, table, schema)

    def _change_type(self, step: own.ChangeType) -> Iterator[Finding]:
        yield from self._retyped(step, step.table, step.column, step.schema, step.was, step.type_)

    def _change_enum(self, step: own.ChangeEnum) -> Iterator[Finding]:
        if not step.is_new_type:
            return
        for column in self._columns_with(step):
            if self.dialect == "postgresql":
                yield from self._rewritten(step, column.table, column.schema)
            if step.removed and column.table not in self._touched:
                yield from self._without_value(step, column)
        if len(set(step.mapping.values()) - set(step.was)) < len(step.mapping):
            why = "several values become one, and which was which is not kept."
            yield self._finding("cannot-undo", step.name, step, why)

    def _columns_with(self, step: own.ChangeEnum) -> list[EnumColumn]:
        """The columns of a type, by what they and their tables are called now."""
        if self.dialect == "postgresql":
            return columns_with(self.connection, (step.schema, step.name))
        names = [full.rpartition(".") for full in step.columns]
        return [
            EnumColumn(None, self._names.get(table, table), column, False)
            for table, _, column in names
        ]

    def _without_value(self, step: own.ChangeEnum, column: EnumColumn) -> Iterator[Finding]:
        """Rows that hold a value that goes."""
        name = self.connection.dialect.identifier_preparer.quote(column.name)
        values = ", ".join("'" + one.replace("'", "''") + "'" for one in step.removed)
        condition = f"{name} IN ({values})"
        if column.is_array:
            condition = f"{name}::text[] && ARRAY[{values}]"
        held = count_where(self.connection, column.table, column.schema, condition)
        if held:
            have = "row has" if held == 1 else "rows have"
            where = f"{column.table}.{column.name}"
            yield self._finding(
                "fails", step.name, step,
                f"{_many(held)} {have} a value in {where} that goes: {values}.",
                f'say what it becomes: mapping={{"{step.removed[0]}": ...}} of steps.change_enum, '
                "or --map when the revision is written.",
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
        facts = self.facts(table, schema)
        if facts.rows and old is not None and _loses(old, new) and self.dialect == "postgresql":
            why = f"{facts} are cut to fit."
            yield self._finding("loses-data", f"{table}.{column}", operation, why)
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
        if has_default and self.dialect == "postgresql" and _is_volatile(column):
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

    def _add_check(self, step: own.AddCheck) -> Iterator[Finding]:
        condition = condition_of(step.condition)
        text = condition if isinstance(condition, str) else condition.texts[self.dialect]
        table = self._names.get(step.table, step.table)
        broken = 0
        if step.table not in self._touched:
            broken = count_where(self.connection, table, step.schema, f"NOT ({text})")
        if broken:
            rows = "row does" if broken == 1 else "rows do"
            yield self._finding(
                "fails", step.name, step, f"{_many(broken)} {rows} not meet {normal(text)}.",
                f'change them first: steps.map_values("{step.table}", ...), or --map when the '
                "revision is written.",
            )  # fmt: skip
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _nulls(
        self, operation: MigrateOperation, table: str, column: str, schema: str | None
    ) -> Iterator[Finding]:
        if table in self._touched:
            return
        name = self.connection.dialect.identifier_preparer.quote(column)
        nulls = count_where(
            self.connection, self._names.get(table, table), schema, f"{name} IS NULL"
        )
        if nulls:
            yield self._finding(
                "fails", f"{table}.{column}", operation, f"{nulls:,} rows have no value in it.",
                f'steps.fill("{table}", "{column}", ...) before it.',
            )  # fmt: skip

    def _set_not_null(self, step: own.SetNotNull) -> Iterator[Finding]:
        yield from self._nulls(step, step.table, step.column, step.schema)
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _set_default(self, step: own.SetDefault) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _require(self, step: own.Require) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)

    def _add_unique(self, step: own.AddUnique) -> Iterator[Finding]:
        if self.dialect == "sqlite":
            yield from self._rewritten(step, step.table, step.schema)
        if step.table in self._touched:
            return
        quote = self.connection.dialect.identifier_preparer.quote
        columns = ", ".join(quote(one) for one in step.columns)
        table = quote(self._names.get(step.table, step.table))
        some = " AND ".join(f"{quote(one)} IS NOT NULL" for one in step.columns)
        twice = (
            f"({columns}) IN (SELECT {columns} FROM {table} WHERE {some} GROUP BY {columns} "  # noqa: S608
            "HAVING count(*) > 1)"
        )
        found = count_where(self.connection, self._names.get(step.table, step.table), step.schema,
                            twice)  # fmt: skip
        if found:
            why = f"{found:,} rows have the same {', '.join(step.columns)} as others."
            yield self._finding("fails", step.name, step, why, "make them differ first.")

    def _map_values(self, step: own.MapValues) -> Iterator[Finding]:
        if len(set(step.values.values())) < len(step.values):
            why = "several values become one, and which was which is not kept."
            yield self._finding("cannot-undo", f"{step.table}.{step.column}", step, why)

    def _execute(self, operation: ops.ExecuteSQLOp) -> Iterator[Finding]:
        sql = str(operation.sqltext)
        for kind, why in judge_sql(sql, self.dialect):
            yield self._finding(kind, self.revision, operation, why)


_TOUCHING = (own.Fill, own.MapValues, own.Require, own.ForEachBatch, own.RenameColumn)
"""After these, rows are not what they are now."""


def _many(count: int) -> str:
    """How many rows: counting ends at a thousand."""
    return f"{count:,}{'' if count < 1000 else ' or more'}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _loses(old: Any, new: Any) -> bool:
    """Whether values are cut: a time of day from a moment, places from a number."""
    if isinstance(old, sa.DateTime):
        return isinstance(new, sa.Date | sa.Time)
    if isinstance(old, sa.Numeric) and not isinstance(old, sa.Float):
        if isinstance(new, sa.Integer):
            return True
        return isinstance(new, sa.Numeric) and (new.scale or 0) < (old.scale or 0)
    return isinstance(old, sa.Float) and isinstance(new, sa.Integer)


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


_VOLATILE = ("random", "gen_random_uuid", "uuid", "clock_timestamp", "nextval", "timeofday")


def _is_volatile(column: sa.Column[Any]) -> bool:
    """Whether a default has to be worked out for each row: https://www.postgresql.org/docs."""
    if isinstance(column.server_default, sa.Identity | sa.Sequence | sa.Computed):
        return True
    text = str(getattr(column.server_default, "arg", "")).lower()
    return any(f"{name}" in text for name in _VOLATILE)
