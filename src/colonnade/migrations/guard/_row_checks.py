"""Find existing rows on which a step would fail, or of which it would lose something."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy.exc import DBAPIError

from colonnade.migrations import operations as safe_ops
from colonnade.migrations.autogenerate._descriptions import describe, table_of
from colonnade.migrations.autogenerate._foreign_keys import foreign_key_step
from colonnade.migrations.autogenerate._reflected import normalized
from colonnade.migrations.autogenerate._rendering import condition_of
from colonnade.migrations.autogenerate._schema_history import index_step
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.guard._projection import COUNT_LIMIT, Projection, rows_that
from colonnade.migrations.guard._squawk import Kind
from colonnade.migrations.operations._conversions import Conversion, conversion
from colonnade.migrations.operations._types import enum_key, is_array, native_enum, plain_type


class RowChecks:
    """Checks steps against the rows that they will meet.

    Args:
        projection: The tables, to which each checked step is applied.

    Attributes:
        revision: The id of the revision that is being assessed; set by the caller.
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
        """Yield what is wrong with the rows, then apply the operation to the projection."""
        changes_rows_first = isinstance(operation, safe_ops.ReplaceCheck)
        if changes_rows_first:
            self.projection.apply(operation)
        rule = self._rules.get(type(operation))
        if rule is not None:
            yield from rule(operation)
        if not changes_rows_first:
            self.projection.apply(operation)

    def _finding(
        self, kind: Kind, subject: str, operation: MigrateOperation, why: str, instead: str = ""
    ) -> Finding:
        table, schema = str(table_of(operation)), getattr(operation, "schema", None)
        current_name = self.projection.current_name(schema, table)
        return Finding(
            kind, subject, self.revision, describe(operation), why, instead, current_name
        )

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
        count = self.projection.count(step.schema, step.table, f"NOT ({text})")
        if count:
            yield self._finding(
                "fails", step.name, step,
                f"{rows_that(count, 'does', 'do')} not meet {normalized(text)}.",
                f'change these rows first with steps.map_values("{step.table}", ...), or with '
                "`colonnade migrate --map`.",
            )  # fmt: skip

    def _alembic_foreign_key(self, added: ops.CreateForeignKeyOp) -> Iterator[Finding]:
        yield from self._foreign_key(foreign_key_step(added))

    def _foreign_key(self, step: safe_ops.AddForeignKey) -> Iterator[Finding]:
        target = self.projection.table(step.target_schema, step.target)
        if target is None or target.source is None:
            return
        quote = self.projection.quote
        not_null = " AND ".join(f"{quote(column)} IS NOT NULL" for column in step.columns)
        pairs = " AND ".join(
            f"referred.{quote(target_column)} = {quote(step.table)}.{quote(column)}"
            for column, target_column in zip(step.columns, step.target_columns, strict=True)
        )
        referred = f"SELECT 1 FROM ({target.source}) AS referred WHERE {pairs}"  # noqa: S608
        is_orphan = f"{not_null} AND NOT EXISTS ({referred})"
        count = self.projection.count(step.schema, step.table, is_orphan)
        if count:
            columns = ", ".join(step.columns)
            yield self._finding(
                "fails", step.name, step,
                f"{rows_that(count, 'refers', 'refer')} by {columns} to rows of {step.target} that "
                "do not exist.",
                f"delete these rows, set {columns} to NULL in them, or add the rows of "
                f"{step.target}.",
            )  # fmt: skip

    def _alembic_unique(self, added: ops.CreateUniqueConstraintOp) -> Iterator[Finding]:
        step = safe_ops.AddUnique(
            str(added.constraint_name), added.table_name, [str(column) for column in added.columns],
            schema=added.schema,
        )  # fmt: skip
        yield from self._unique(step)

    def _unique(self, step: safe_ops.AddUnique) -> Iterator[Finding]:
        yield from self._duplicates(step, step.name, step.schema, step.table, step.columns)

    def _alembic_index(self, added: ops.CreateIndexOp) -> Iterator[Finding]:
        yield from self._index(index_step(added))

    def _index(self, step: safe_ops.AddIndex) -> Iterator[Finding]:
        if not step.unique:
            return
        where = step.options.get(f"{self.dialect}_where")
        condition = "" if where is None else f"({self.projection.literal(where)})"
        nulls = bool(step.options.get("postgresql_nulls_not_distinct"))
        yield from self._duplicates(
            step, step.name, step.schema, step.table, step.columns, condition, nulls=nulls
        )

    def _key(self, step: safe_ops.ChangeKey) -> Iterator[Finding]:
        for column in step.columns:
            yield from self._nulls(step, step.table, column, step.schema)
        name = f"{step.table}.{'_'.join(step.columns)}"
        yield from self._duplicates(step, name, step.schema, step.table, step.columns)

    def _duplicates(
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
        expressions = [self._sql(column) for column in columns]
        conditions = [condition] if condition else []
        if not nulls:
            conditions += [f"{expression} IS NOT NULL" for expression in expressions]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        groups = (
            f"SELECT count(*) AS n FROM {rows}{where} GROUP BY {', '.join(expressions)} "  # noqa: S608
            f"HAVING count(*) > 1 LIMIT {COUNT_LIMIT}"
        )
        query = f"SELECT coalesce(sum(n), 0) FROM ({groups}) AS x"  # noqa: S608
        count = int(self.projection.scalar(query) or 0)
        if count:
            names = ", ".join(map(str, columns))
            yield self._finding(
                "fails", name, operation, f"{count:,} rows have the same {names} as other rows.",
                "change or delete the duplicates first.",
            )  # fmt: skip

    def _sql(self, column: Any) -> str:
        """Render a column of an index, a name or an expression, as SQL."""
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
                "fails", f"{table}.{column}", operation,
                f"{rows_that(nulls, 'has', 'have')} no value in it.",
                f'fill them first with steps.fill("{table}", "{column}", ...).',
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
            yield from self._unconvertible(step, _enum_conversion(old, new))
            return
        applied = conversion(old, new)
        if applied is None:
            column = self.projection.quote(step.column)
            count = self.projection.count(step.schema, step.table, f"{column} IS NOT NULL")
            if count:
                types = f"{_type_name(old)} cannot become {_type_name(new)}"
                yield self._fails(step, f"{rows_that(count, 'has', 'have')} a value, and {types}.")
            return
        yield from self._unconvertible(step, applied)
        yield from self._lossy(step, applied)

    def _unconvertible(
        self, step: safe_ops.ChangeType, applied: Conversion | None
    ) -> Iterator[Finding]:
        """Report rows with a value that the new type cannot hold."""
        column = self.projection.quote(step.column)
        unfit = applied and applied.unconvertible_rows(self.dialect, column)
        if unfit:
            count = self.projection.count(step.schema, step.table, unfit)
            if count:
                example = self._example(step, unfit)
                yield self._fails(
                    step,
                    f"{rows_that(count, 'has', 'have')} a value that {_type_name(step.type_)} "
                    f"cannot hold{example}.",
                )
                return
        if self.dialect == "postgresql" and step.expression is not None:
            rows = self.projection.rows(step.schema, step.table)
            if rows is None:
                return
            try:  # the database converts each value, and names the first that it cannot convert
                self.projection.scalar_or_raise(
                    f"SELECT count(v) FROM (SELECT {step.expression} AS v FROM {rows}) AS x"  # noqa: S608
                )
            except DBAPIError as error:
                if _is_data_error(error):
                    reason = str(error.orig).strip().splitlines()[0]
                    yield self._fails(step, f"a value cannot be converted: {reason}.")

    def _example(self, step: safe_ops.ChangeType, unfit: str) -> str:
        """One of the unfit values, for a message."""
        rows = self.projection.rows(step.schema, step.table)
        column = self.projection.quote(step.column)
        value = self.projection.scalar(f"SELECT {column} FROM {rows} WHERE {unfit} LIMIT 1")  # noqa: S608
        return "" if value is None else f", such as {value!r}"

    def _lossy(self, step: safe_ops.ChangeType, applied: Conversion) -> Iterator[Finding]:
        """Report rows with a value that the new type rounds or truncates."""
        lossy = applied.lossy_rows(self.dialect, self.projection.quote(step.column))
        count = self.projection.count(step.schema, step.table, lossy) if lossy else 0
        if count:
            yield self._finding(
                "loses-data", f"{step.table}.{step.column}", step,
                f"{rows_that(count, 'has', 'have')} a value that {_type_name(step.type_)} cannot "
                f"hold without loss{self._example(step, str(lossy))}.",
                "add a column of the new type and put this one aside.",
            )  # fmt: skip

    def _fails(self, step: safe_ops.ChangeType, why: str) -> Finding:
        return self._finding(
            "fails", f"{step.table}.{step.column}", step, why,
            "change these values first, or add a column of the new type and fill it with "
            "steps.for_each_batch.",
        )  # fmt: skip


def _enum_conversion(old: Any, new: Any) -> Conversion | None:
    """A conversion that rejects the values that an enum type, which may not exist yet, lacks."""
    enum = native_enum(new)
    if enum is None or not enum.enums:
        return None
    values = ", ".join("'" + value.replace("'", "''") + "'" for value in enum.enums)
    values = values.replace("{", "{{").replace("}", "}}")
    unfit = f"{{c}}::text NOT IN ({values})"
    if is_array(new):
        unfit = f"NOT ({{c}}::text[] <@ ARRAY[{values}])"
    return Conversion(unconvertible_postgresql=unfit)


def _is_data_error(error: DBAPIError) -> bool:
    """Whether a value caused the error: SQLSTATE class 22 (data exception) or 42846 (cast)."""
    state = str(getattr(error.orig, "sqlstate", "") or "")
    return state.startswith("22") or state == "42846"


def _type_name(kind: Any) -> str:
    """The name of a type with its article, such as "an Integer"."""
    name = sa.types.to_instance(kind).__class__.__name__
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"
