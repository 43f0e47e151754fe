"""Rows that a step would fail on, or lose something of."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy.exc import DBAPIError

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._descriptions import describe, table_of
from colonnade.migrations.autogenerate._foreign_keys import foreign_key_step
from colonnade.migrations.autogenerate._reflected import normal
from colonnade.migrations.autogenerate._rendering import condition_of
from colonnade.migrations.autogenerate._schema_history import index_step
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.guard._projection import LIMIT, Projection
from colonnade.migrations.guard._squawk import Kind
from colonnade.migrations.operations._conversions import Conversion, conversion
from colonnade.migrations.operations._types import enum_key, is_array, native_enum, plain_type


class RowChecks:
    """Looks at the rows that steps will meet.

    Args:
        projection: The tables as they will be when a step is run.
    """

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.dialect = projection.dialect
        self.revision = ""
        self._rules: dict[type[Any], Callable[[Any], Iterator[Finding]]] = {
            ops.AlterColumnOp: self._alter_column,
            ops.CreateCheckConstraintOp: self._alembic_check,
            ops.CreateForeignKeyOp: self._alembic_foreign_key,
            ops.CreateUniqueConstraintOp: self._alembic_unique,
            ops.CreateIndexOp: self._alembic_index,
            safe_ops.AddCheck: self._check,
            safe_ops.ReplaceCheck: self._check,
            safe_ops.AddForeignKey: self._foreign_key,
            safe_ops.AddUnique: self._unique,
            safe_ops.AddIndex: self._index,
            safe_ops.ChangeKey: self._key,
            safe_ops.ChangeType: self._change_type,
            safe_ops.SetNotNull: self._not_null,
        }

    def check(self, operation: MigrateOperation) -> Iterator[Finding]:
        """What is wrong with the rows that an operation meets, which then is done to them."""
        if isinstance(
            operation, safe_ops.ReplaceCheck
        ):  # which changes rows before it looks at them
            self.projection.apply(operation)
        rule = self._rules.get(type(operation))
        if rule is not None:
            yield from rule(operation)
        if not isinstance(operation, safe_ops.ReplaceCheck):
            self.projection.apply(operation)

    def _finding(
        self, kind: Kind, subject: str, operation: MigrateOperation, why: str, instead: str = ""
    ) -> Finding:
        table, schema = str(table_of(operation)), getattr(operation, "schema", None)
        real = self.projection.real_name(schema, table)
        return Finding(kind, subject, self.revision, describe(operation), why, instead, real)

    def _alembic_check(self, added: ops.CreateCheckConstraintOp) -> Iterator[Finding]:
        step = safe_ops.AddCheck(
            str(added.constraint_name), added.table_name, condition_of(added.condition),
            schema=added.schema,
        )  # fmt: skip
        yield from self._check(step)

    def _check(self, step: safe_ops.AddCheck) -> Iterator[Finding]:
        condition = condition_of(step.condition)
        text = condition if isinstance(condition, str) else condition.texts[self.dialect]
        text = text.replace("\\:", ":")
        broken = self.projection.count(step.schema, step.table, f"NOT ({text})")
        if broken:
            rows = "row does" if broken == 1 else "rows do"
            yield self._finding(
                "fails", step.name, step, f"{many(broken)} {rows} not meet {normal(text)}.",
                f'change them first: steps.map_values("{step.table}", ...), or --map when the '
                "revision is written.",
            )  # fmt: skip

    def _alembic_foreign_key(self, added: ops.CreateForeignKeyOp) -> Iterator[Finding]:
        yield from self._foreign_key(foreign_key_step(added))

    def _foreign_key(self, step: safe_ops.AddForeignKey) -> Iterator[Finding]:
        target = self.projection.table(step.target_schema, step.target)
        if target is None or target.source is None:
            return
        quote = self.projection.quote
        some = " AND ".join(f"{quote(column)} IS NOT NULL" for column in step.columns)
        pairs = " AND ".join(
            f"referred.{quote(there)} = {quote(step.table)}.{quote(here)}"
            for here, there in zip(step.columns, step.target_columns, strict=True)
        )
        lost = f"{some} AND NOT EXISTS (SELECT 1 FROM ({target.source}) AS referred WHERE {pairs})"  # noqa: S608
        count = self.projection.count(step.schema, step.table, lost)
        if count:
            refer = "row refers" if count == 1 else "rows refer"
            columns = ", ".join(step.columns)
            yield self._finding(
                "fails", step.name, step,
                f"{many(count)} {refer} by {columns} to rows of {step.target} that do not exist.",
                f"delete these rows, set {columns} to NULL in them, or add what they refer to.",
            )  # fmt: skip

    def _alembic_unique(self, added: ops.CreateUniqueConstraintOp) -> Iterator[Finding]:
        step = safe_ops.AddUnique(
            str(added.constraint_name), added.table_name, [str(column) for column in added.columns],
            schema=added.schema,
        )  # fmt: skip
        yield from self._unique(step)

    def _unique(self, step: safe_ops.AddUnique) -> Iterator[Finding]:
        yield from self._twice(step, step.name, step.schema, step.table, step.columns)

    def _alembic_index(self, added: ops.CreateIndexOp) -> Iterator[Finding]:
        yield from self._index(index_step(added))

    def _index(self, step: safe_ops.AddIndex) -> Iterator[Finding]:
        if not step.unique:
            return
        where = step.options.get(f"{self.dialect}_where")
        condition = "" if where is None else f"({self.projection.literal(where)})"
        nulls = bool(step.options.get("postgresql_nulls_not_distinct"))
        yield from self._twice(
            step, step.name, step.schema, step.table, step.columns, condition, nulls=nulls
        )

    def _key(self, step: safe_ops.ChangeKey) -> Iterator[Finding]:
        for column in step.columns:
            yield from self._nulls(step, step.table, column, step.schema)
        name = f"{step.table}.{'_'.join(step.columns)}"
        yield from self._twice(step, name, step.schema, step.table, step.columns)

    def _twice(
        self,
        operation: MigrateOperation,
        name: str,
        schema: str | None,
        table: str,
        columns: Sequence[Any],
        condition: str = "",
        *,
        nulls: bool = False,
    ) -> Iterator[Finding]:
        rows = self.projection.rows(schema, table)
        if rows is None:
            return
        quoted_names = [self._sql(column) for column in columns]
        conditions = [condition] if condition else []
        conditions += [] if nulls else [f"{column} IS NOT NULL" for column in quoted_names]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        groups = (
            f"SELECT count(*) AS n FROM {rows}{where} GROUP BY {', '.join(quoted_names)} "  # noqa: S608
            f"HAVING count(*) > 1 LIMIT {LIMIT}"
        )
        count = int(self.projection.ask(f"SELECT coalesce(sum(n), 0) FROM ({groups}) AS x") or 0)  # noqa: S608
        if count:
            names = ", ".join(map(str, columns))
            yield self._finding(
                "fails", name, operation, f"{count:,} rows have the same {names} as others.",
                "make them differ first.",
            )  # fmt: skip

    def _sql(self, column: Any) -> str:
        """A column of an index as SQL: its name, or an expression."""
        if isinstance(column, str):
            return self.projection.quote(column)
        return self.projection.literal(column)

    def _not_null(self, step: safe_ops.SetNotNull) -> Iterator[Finding]:
        yield from self._nulls(step, step.table, step.column, step.schema)

    def _nulls(
        self, operation: MigrateOperation, table: str, column: str, schema: str | None
    ) -> Iterator[Finding]:
        nulls = self.projection.count(schema, table, f"{self.projection.quote(column)} IS NULL")
        if nulls:
            yield self._finding(
                "fails", f"{table}.{column}", operation, f"{many(nulls)} rows have no value in it.",
                f'steps.fill("{table}", "{column}", ...) before it.',
            )  # fmt: skip

    def _alter_column(self, alter: ops.AlterColumnOp) -> Iterator[Finding]:
        if alter.modify_type is not None and alter.existing_type is not None:
            using = alter.kw.get("postgresql_using")
            step = safe_ops.ChangeType(
                alter.table_name, alter.column_name, alter.modify_type, alter.existing_type,
                using=using, schema=alter.schema,
            )  # fmt: skip
            yield from self._change_type(step)
        if alter.modify_nullable is False:
            yield from self._nulls(alter, alter.table_name, alter.column_name, alter.schema)

    def _change_type(self, step: safe_ops.ChangeType) -> Iterator[Finding]:
        old, new = plain_type(step.was), plain_type(step.type_)
        if enum_key(old) or enum_key(new):
            yield from self._unconvertible(step, _to_enum(old, new))
            return
        converted = conversion(old, new)
        if converted is None:
            column = self.projection.quote(step.column)
            held = self.projection.count(step.schema, step.table, f"{column} IS NOT NULL")
            if held:
                yield self._fails(
                    step, f"{_rows(held)} a value, and {_a(old)} cannot become {_a(new)}."
                )
            return
        yield from self._unconvertible(step, converted)
        yield from self._lossy(step, converted)

    def _unconvertible(
        self, step: safe_ops.ChangeType, converted: Conversion | None
    ) -> Iterator[Finding]:
        column = self.projection.quote(step.column)
        unfit = converted and converted.unfit_rows(self.dialect, column)
        if unfit:
            held = self.projection.count(step.schema, step.table, unfit)
            if held:
                value = self._one(step, unfit)
                why = f"{_rows(held)} a value that {_a(step.type_)} cannot hold{value}."
                yield self._fails(step, why)
                return
        if self.dialect == "postgresql" and step.using is not None:
            rows = self.projection.rows(step.schema, step.table)
            if rows is None:
                return
            try:  # each value is converted, and the first that fails is reported
                self.projection.ask_strictly(
                    f"SELECT count(v) FROM (SELECT {step.using} AS v FROM {rows}) AS x"  # noqa: S608
                )
            except DBAPIError as error:
                if _is_of_data(error):
                    reason = str(error.orig).strip().splitlines()[0]
                    yield self._fails(step, f"a value cannot be converted: {reason}.")

    def _one(self, step: safe_ops.ChangeType, unfit: str) -> str:
        """One of the values, as an example."""
        rows = self.projection.rows(step.schema, step.table)
        column = self.projection.quote(step.column)
        value = self.projection.ask(f"SELECT {column} FROM {rows} WHERE {unfit} LIMIT 1")  # noqa: S608
        return "" if value is None else f", such as {value!r}"

    def _lossy(self, step: safe_ops.ChangeType, converted: Conversion) -> Iterator[Finding]:
        lossy = converted.lossy_rows(self.dialect, self.projection.quote(step.column))
        held = self.projection.count(step.schema, step.table, lossy) if lossy else 0
        if held:
            yield self._finding(
                "loses-data", f"{step.table}.{step.column}", step,
                f"{_rows(held)} a value that {_a(step.type_)} holds only in part"
                f"{self._one(step, str(lossy))}.",
                "add a column of the new type beside it, and put this one aside.",
            )  # fmt: skip

    def _fails(self, step: safe_ops.ChangeType, why: str) -> Finding:
        return self._finding(
            "fails", f"{step.table}.{step.column}", step, why,
            "change these values first, or add a column of the new type and fill it with "
            "steps.for_each_batch.",
        )  # fmt: skip


def _to_enum(old: Any, new: Any) -> Conversion | None:
    """Which rows have a value that an enum type does not have, which may not be made yet."""
    enum = native_enum(new)
    if enum is None or not enum.enums:
        return None
    values = ", ".join("'" + value.replace("'", "''") + "'" for value in enum.enums)
    values = values.replace("{", "{{").replace("}", "}}")
    unfit = f"{{c}}::text NOT IN ({values})"
    if is_array(new):
        unfit = f"NOT ({{c}}::text[] <@ ARRAY[{values}])"
    return Conversion(unfit_postgresql=unfit)


def _is_of_data(error: DBAPIError) -> bool:
    """Whether a value is at fault: SQLSTATE class 22, data exception, or 42846, cannot coerce."""
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return state.startswith("22") or state == "42846"


def _a(kind: Any) -> str:
    """A type in words."""
    name = sa.types.to_instance(kind).__class__.__name__
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def _rows(count: int) -> str:
    return f"{many(count)} {'row has' if count == 1 else 'rows have'}"


def many(count: int) -> str:
    """How many rows: counting ends at ``LIMIT``."""
    return f"{count:,}{'' if count < LIMIT else ' or more'}"
