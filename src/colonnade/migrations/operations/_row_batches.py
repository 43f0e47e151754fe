"""The step that calls a function with the rows of a table, in batches that can be resumed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping

from colonnade.errors import MigrationError
from colonnade.migrations.operations._base import CommitsOnPostgreSQL, TableStep
from colonnade.migrations.operations._progress import StepJournal, journal_of, report_progress

BatchFunction = Callable[[Connection, Sequence[RowMapping]], None]


@dataclass(frozen=True, eq=False)
class ForEachBatch(CommitsOnPostgreSQL, TableStep):
    """Call a function with a table's rows, in batches."""

    function = "for_each_batch"
    description = "run {0.work.__name__} over {0.table}"
    work: BatchFunction
    where: str | None = field(default=None, kw_only=True)
    batch: int = field(default=1000, kw_only=True)

    def run(self, operations: Operations) -> None:
        context = operations.migration_context
        if context.as_sql or context.connection is None:
            context.impl.static_output(
                f"-- Python runs over the rows of {self.table}: {self.work.__name__}()"
            )
            return
        connection = context.connection
        table = sa.Table(
            self.table,
            sa.MetaData(),
            schema=self.schema,
            autoload_with=connection,
            resolve_fks=False,
        )
        if not table.primary_key.columns:
            raise MigrationError(
                f"for_each_batch cannot page through {self.table}: the table has no primary key. "
                "Add one first, or update its rows with op.execute()."
            )
        if connection.dialect.name != "postgresql":
            self._run_batches(context, table, None, commit=False)
            return
        with context.autocommit_block():
            self._run_batches(context, table, journal_of(context), commit=True)

    def _run_batches(
        self,
        context: MigrationContext,
        table: sa.Table,
        journal: StepJournal | None,
        *,
        commit: bool,
    ) -> None:
        connection = context.connection
        assert connection is not None
        key = list(table.primary_key.columns)
        condition = sa.text(self.where) if self.where else sa.true()
        count = sa.select(sa.func.count()).select_from(table).where(condition)
        total = connection.scalar(count) or 0
        last = _resumed_key(journal, key)
        done = 0
        while True:
            query = sa.select(table).where(condition).order_by(*key).limit(self.batch)
            if last is not None:
                query = query.where(sa.tuple_(*key) > sa.tuple_(*last))
            if commit:
                connection.exec_driver_sql("BEGIN")
            try:
                rows = connection.execute(query).mappings().all()
                if rows:
                    self.work(connection, rows)
                    last = tuple(rows[-1][column.name] for column in key)
                    if journal is not None:
                        journal.save(journal.step, last)
            except BaseException:
                if commit:
                    connection.exec_driver_sql("ROLLBACK")
                raise
            if commit:
                connection.exec_driver_sql("COMMIT")
            done += len(rows)
            report_progress(context, f"{self.work.__name__} {self.table}", done, max(done, total))
            if len(rows) < self.batch:
                return


def _resumed_key(
    journal: StepJournal | None, key: Sequence[sa.Column[Any]]
) -> tuple[Any, ...] | None:
    """Return the primary key of the last processed row; None to start with the first row."""
    if journal is None or journal.resume_position is None:
        return None
    adapters = [TypeAdapter(column.type.python_type) for column in key]
    return tuple(
        adapter.validate_python(value)
        for adapter, value in zip(adapters, journal.resume_position, strict=True)
    )
