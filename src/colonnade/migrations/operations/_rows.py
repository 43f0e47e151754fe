"""Steps that update rows, in batches that can be resumed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from colonnade.migrations.operations._base import (
    BATCH_SIZE,
    CommitsOnPostgreSQL,
    TableStep,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
)
from colonnade.migrations.operations._progress import journal_of, report_progress


@dataclass(frozen=True, eq=False)
class Fill(CommitsOnPostgreSQL, TableStep):
    """Set a column's NULLs to a value, in batches."""

    function = "fill"
    description = "fill {0.table}.{0.column}"
    column: str
    value: Any
    batch: int = field(default=BATCH_SIZE, kw_only=True)

    def run(self, operations: Operations) -> None:
        column = quoted(operations, self.column)
        value = literal(operations, self.value)
        update = f"UPDATE {self.sql_table(operations)} SET {column} = {value}"  # noqa: S608
        _update_in_batches(operations, self, update, f"{column} IS NULL", self.batch)


@dataclass(frozen=True, eq=False)
class MapValues(CommitsOnPostgreSQL, TableStep):
    """Replace values of a column, in batches."""

    function = "map_values"
    description = "replace values of {0.table}.{0.column}"
    column: str
    values: Mapping[Any, Any]
    batch: int = field(default=BATCH_SIZE, kw_only=True)

    def run(self, operations: Operations) -> None:
        column = quoted(operations, self.column)
        pairs = [(literal(operations, old), literal(operations, new))
                 for old, new in self.values.items()]  # fmt: skip
        cases = " ".join(f"WHEN {old} THEN {new}" for old, new in pairs)
        cases = f"CASE {column} {cases} ELSE {column} END"  # ELSE gives the literals their type
        update = f"UPDATE {self.sql_table(operations)} SET {column} = {cases}"  # noqa: S608
        where = f"{column} IN ({', '.join(old for old, _ in pairs)})"
        if self._is_chained:
            run_sql(operations, f"{update} WHERE {where}")
        else:
            _update_in_batches(operations, self, update, where, self.batch)

    def run_once(self, operations: Operations) -> None:
        """Run outside a transaction, and only once even if the step is resumed."""
        context = operations.migration_context
        journal = journal_of(context)
        if not self._is_chained or journal is None or context.connection is None:
            self.run(operations)
            return
        if journal.resume_position == "mapped":
            return
        run_sql(operations, "BEGIN")
        self.run(operations)
        journal.save(journal.step, "mapped")
        run_sql(operations, "COMMIT")

    def commits(self, dialect: str) -> bool:
        return super().commits(dialect) and not self._is_chained

    @property
    def _is_chained(self) -> bool:
        """Whether a replacement is itself replaced, so that no row may be updated twice."""
        return not self.values.keys().isdisjoint(self.values.values())


def _update_in_batches(
    operations: Operations, step: TableStep, update: str, where: str, batch: int
) -> None:
    """Run an UPDATE on the rows that still need it.

    On PostgreSQL each batch is a range of pages, so that every part of the table is read once,
    with or without an index. Updated rows may move to later pages, where ``where`` excludes them.
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
            report_progress(context, f"{step.function} {step.table}", last, pages)
        run_sql(operations, f"{update} WHERE {where}")  # rows written during the batches
