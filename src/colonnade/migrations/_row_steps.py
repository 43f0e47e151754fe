"""Steps on what columns are and what rows have in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy import Connection, RowMapping
from sqlalchemy.types import TypeEngine

from colonnade.migrations import _journal
from colonnade.migrations._step import (
    BATCH,
    Concurrent,
    Step,
    TableStep,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
)


@dataclass(frozen=True, eq=False)
class Fill(Concurrent, TableStep):
    """Give a column's NULLs a value, in batches."""

    function = "fill"
    words = "fill {0.table}.{0.column}"
    column: str
    value: Any
    batch: int = field(default=BATCH, kw_only=True)

    def run(self, operations: Operations) -> None:
        column = quoted(operations, self.column)
        value = literal(operations, self.value)
        update = f"UPDATE {self.sql_table(operations)} SET {column} = {value}"  # noqa: S608
        _in_batches(operations, self, update, f"{column} IS NULL", self.batch)


@dataclass(frozen=True, eq=False)
class MapValues(Concurrent, TableStep):
    """Change values of a column to others, in batches."""

    function = "map_values"
    words = "map values of {0.table}.{0.column}"
    column: str
    values: Mapping[Any, Any]
    batch: int = field(default=BATCH, kw_only=True)

    def run(self, operations: Operations) -> None:
        column = quoted(operations, self.column)
        pairs = [(literal(operations, old), literal(operations, new))
                 for old, new in self.values.items()]  # fmt: skip
        cases = " ".join(f"WHEN {old} THEN {new}" for old, new in pairs)
        cases = f"CASE {column} {cases} ELSE {column} END"  # which says of what type it is
        update = f"UPDATE {self.sql_table(operations)} SET {column} = {cases}"  # noqa: S608
        where = f"{column} IN ({', '.join(old for old, _ in pairs)})"
        if self._is_chained:
            run_sql(operations, f"{update} WHERE {where}")
        else:
            _in_batches(operations, self, update, where, self.batch)

    def commits(self, dialect: str) -> bool:
        return super().commits(dialect) and not self._is_chained

    @property
    def _is_chained(self) -> bool:
        """Whether a value becomes one that becomes another: no row may be gone over twice."""
        return not self.values.keys().isdisjoint(self.values.values())


def _in_batches(
    operations: Operations, step: TableStep, update: str, where: str, batch: int
) -> None:
    """Run an UPDATE over the rows that still need it.

    By ranges of pages on PostgreSQL: each batch reads its own part of the table once, with or
    without an index. Rows move to later pages as they are changed, and need nothing there.
    """
    context = operations.migration_context
    if not on_postgresql(operations) or context.as_sql or context.connection is None:
        run_sql(operations, f"{update} WHERE {where}")
        return
    table = step.sql_table(operations)
    with outside_transaction(operations):
        connection = context.connection
        size = sa.text(
            "SELECT pg_relation_size(to_regclass(:table)) / current_setting('block_size')::int, "
            "greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(:table)"
        )
        pages, rows = connection.execute(size, {"table": table}).one()
        step_pages = max(1, batch * pages // rows) if rows else max(1, batch // 50)
        for first in range(0, pages, step_pages):
            last = min(pages, first + step_pages)
            run_sql(
                operations,
                f"{update} WHERE {where} AND ctid >= '({first},0)' AND ctid < '({last},0)'",
            )
            _journal.report(context, f"{step.function} {step.table}", last, pages)
        run_sql(operations, f"{update} WHERE {where}")  # what was written meanwhile


@dataclass(frozen=True, eq=False)
class ChangeType(TableStep):
    """Give a column another type."""

    function = "change_type"
    words = "change the type of {0.table}.{0.column}"
    column: str
    type_: TypeEngine[Any]
    was: TypeEngine[Any]
    using: str | None = field(default=None, kw_only=True)
    default: Any = field(default=False, kw_only=True)

    def run(self, operations: Operations) -> None:
        options: dict[str, Any] = {}
        if self.default is not False:
            if on_postgresql(operations):
                run_sql(operations, self._with_default(operations))
                return
            options["server_default"] = self.default
        if on_postgresql(operations) and self.using:
            options["postgresql_using"] = self.using
        with self.altering(operations) as batch:
            batch.alter_column(self.column, type_=self.type_, existing_type=self.was, **options)

    def _with_default(self, operations: Operations) -> str:
        """All at once: PostgreSQL takes the old default away before, and sets the new one after."""
        column = quoted(operations, self.column)
        kind = self.type_.compile(dialect=operations.migration_context.dialect)
        changes = ["DROP DEFAULT", f"TYPE {kind} USING {self.using or f'{column}::{kind}'}"]
        if self.default is not None:
            changes.append(f"SET DEFAULT {literal(operations, self.default)}")
        altered = ", ".join(f"ALTER COLUMN {column} {change}" for change in changes)
        return f"ALTER TABLE {self.sql_table(operations)} {altered}"


@dataclass(frozen=True, eq=False)
class SetDefault(TableStep):
    """Give a column another default in the database, or none."""

    function = "set_default"
    words = "change the default of {0.table}.{0.column}"
    column: str
    default: Any
    was: Any = field(default=None, kw_only=True)

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.altering(operations) as batch:
                batch.alter_column(self.column, server_default=self.default)
            return
        column = quoted(operations, self.column)
        drops = self.default is None
        change = "DROP DEFAULT" if drops else f"SET DEFAULT {literal(operations, self.default)}"
        run_sql(operations, f"ALTER TABLE {self.sql_table(operations)} ALTER {column} {change}")

    def reverse(self) -> Step:
        return SetDefault(self.table, self.column, self.was, was=self.default, schema=self.schema)


@dataclass(frozen=True, eq=False)
class SetNotNull(Concurrent, TableStep):
    """Have a column need a value; no write waits while its rows are looked at."""

    function = "set_not_null"
    words = "set NOT NULL of {0.table}.{0.column}"
    column: str

    def run(self, operations: Operations) -> None:
        if not on_postgresql(operations):
            with self.altering(operations) as batch:
                batch.alter_column(self.column, nullable=False)
            return
        table, column = self.sql_table(operations), quoted(operations, self.column)
        name = quoted(operations, f"nn_{self.table}_{self.column}"[:63])
        with outside_transaction(operations):
            run_sql(
                operations,
                f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, "
                f"ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID",
                f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
                f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL",
                f"ALTER TABLE {table} DROP CONSTRAINT {name}",
            )


@dataclass(frozen=True, eq=False)
class Require(Concurrent, TableStep):
    """Have a column need a value, and give those that have none one.

    On PostgreSQL the value is the column's default meanwhile, for rows that are written by code
    that does not know the column yet.
    """

    function = "require"
    words = "require {0.table}.{0.column}"
    column: str
    value: Any
    batch: int = field(default=BATCH, kw_only=True)

    def run(self, operations: Operations) -> None:
        fill = Fill(self.table, self.column, self.value, schema=self.schema, batch=self.batch)
        strict = SetNotNull(self.table, self.column, schema=self.schema)
        if not on_postgresql(operations):
            fill.run(operations)
            strict.run(operations)
            return
        table, column = self.sql_table(operations), quoted(operations, self.column)
        alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
        value = literal(operations, self.value)
        own = self._has_default(operations)
        if not own:
            with outside_transaction(operations):
                run_sql(operations, f"{alter} SET DEFAULT {value}")
        fill.run(operations)
        strict.run(operations)
        if not own:
            run_sql(operations, f"{alter} DROP DEFAULT")

    def _has_default(self, operations: Operations) -> bool:
        """Whether the column has a default to keep: not one that an interrupted run has set."""
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            return False
        journal = _journal.journal_of(context)
        if journal is not None and journal.resumed is not None:
            return bool(journal.resumed == "own")
        asked = sa.text(
            "SELECT count(*) FROM pg_attrdef d JOIN pg_attribute a "
            "ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
            "WHERE a.attrelid = to_regclass(:table) AND a.attname = :column"
        )
        there = {"table": self.sql_table(operations), "column": self.column}
        found = bool(context.connection.scalar(asked, there))
        if journal is not None:
            journal.mark(journal.step, "own" if found else "set")
        return found


@dataclass(frozen=True, eq=False)
class DropNotNull(TableStep):
    """Have a column need no value."""

    function = "drop_not_null"
    words = "drop NOT NULL of {0.table}.{0.column}"
    column: str

    def run(self, operations: Operations) -> None:
        with self.altering(operations) as batch:
            batch.alter_column(self.column, nullable=True)


Work = Callable[[Connection, Sequence[RowMapping]], None]


@dataclass(frozen=True, eq=False)
class ForEachBatch(Concurrent, TableStep):
    """Run a function over a table's rows, in batches."""

    function = "for_each_batch"
    words = "run {0.work.__name__} over {0.table}"
    work: Work
    where: str | None = field(default=None, kw_only=True)
    batch: int = field(default=1000, kw_only=True)

    def run(self, operations: Operations) -> None:
        _journal.run_batches(operations.migration_context, self)
