"""Steps on what rows have in their columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

from colonnade.migrations.operations._base import (
    BATCH,
    Concurrent,
    TableStep,
    literal,
    on_postgresql,
    outside_transaction,
    quoted,
    run_sql,
)
from colonnade.migrations.runner import _journal


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

    def run_once(self, operations: Operations) -> None:
        """Run outside a transaction, and not once more when the step is run again."""
        context = operations.migration_context
        journal = _journal.journal_of(context)
        if not self._is_chained or journal is None or context.connection is None:
            self.run(operations)
            return
        if journal.resumed == "mapped":
            return
        run_sql(operations, "BEGIN")
        self.run(operations)
        journal.mark(journal.step, "mapped")
        run_sql(operations, "COMMIT")

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
