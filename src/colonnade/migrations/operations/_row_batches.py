"""The step that calls a function with the rows of a table, batch by batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from pydantic import TypeAdapter
from sqlalchemy import Connection, RowMapping, Table

from colonnade.errors import MigrationError
from colonnade.migrations.operations._base import Concurrent, TableStep
from colonnade.migrations.runner import _journal

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
        _run_batches(operations.migration_context, self)


def _run_batches(context: MigrationContext, step: ForEachBatch) -> None:
    """Call a step's function with the rows of a table, batch by batch."""
    if context.as_sql or context.connection is None:
        context.impl.static_output(
            f"-- Python runs over the rows of {step.table}: {step.work.__name__}()"
        )
        return
    connection = context.connection
    table = sa.Table(
        step.table, sa.MetaData(), schema=step.schema, autoload_with=connection, resolve_fks=False
    )
    if not table.primary_key.columns:
        raise MigrationError(f"{step.table} has no primary key, which for_each_batch needs.")
    if connection.dialect.name != "postgresql":
        _walk(context, step, table, None, commit=False)
        return
    journal = _journal.journal_of(context)
    with context.autocommit_block():
        _walk(context, step, table, journal, commit=True)


def _walk(
    context: MigrationContext,
    step: ForEachBatch,
    table: Table,
    journal: _journal.Journal | None,
    *,
    commit: bool,
) -> None:
    connection = context.connection
    assert connection is not None
    key = list(table.primary_key.columns)
    condition = sa.text(step.where) if step.where else sa.true()
    total = connection.scalar(sa.select(sa.func.count()).select_from(table).where(condition)) or 0
    last = _position(journal, key)
    done = 0
    while True:
        query = sa.select(table).where(condition).order_by(*key).limit(step.batch)
        if last is not None:
            query = query.where(sa.tuple_(*key) > sa.tuple_(*last))
        if commit:
            connection.exec_driver_sql("BEGIN")
        try:
            rows = connection.execute(query).mappings().all()
            if rows:
                step.work(connection, rows)
                last = tuple(rows[-1][column.name] for column in key)
                if journal is not None:
                    journal.mark(journal.step, last)
        except BaseException:
            if commit:
                connection.exec_driver_sql("ROLLBACK")
            raise
        if commit:
            connection.exec_driver_sql("COMMIT")
        done += len(rows)
        _journal.report(context, f"{step.work.__name__} {step.table}", done, max(done, total))
        if len(rows) < step.batch:
            return


def _position(
    journal: _journal.Journal | None, key: list[sa.Column[Any]]
) -> tuple[Any, ...] | None:
    if journal is None or journal.resumed is None:
        return None
    kinds = [TypeAdapter(column.type.python_type) for column in key]
    return tuple(
        kind.validate_python(value) for kind, value in zip(kinds, journal.resumed, strict=True)
    )
