"""Collect the operations of a revision without running them."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from alembic.operations import BatchOperations, Operations, ops
from alembic.operations.ops import MigrateOperation
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel

from colonnade.migrations._alembic_compat import installed, redirected_batch
from colonnade.migrations._environment import options


@dataclass(frozen=True)
class Recording:
    """The operations of a revision.

    Attributes:
        operations: The operations, in order.
        is_complete: Whether these are all; False if the revision needs a connection, or raises.
        step_numbers: For each operation, the number of the step that contains it.
    """

    operations: tuple[MigrateOperation, ...]
    is_complete: bool = True
    step_numbers: tuple[int, ...] = ()

    @property
    def step_count(self) -> int:
        """The number of steps; all operations of a batch are one step."""
        return max(self.step_numbers, default=-1) + 1


class _ConnectionNeededError(Exception):
    """The revision asked for a connection."""


def record_operations(connection: Connection, function: Callable[..., Any]) -> Recording:
    """Call an ``upgrade()`` or ``downgrade()`` and collect its operations.

    Args:
        connection: The database, for its dialect; nothing is run on it.
        function: The revision's function.
    """
    # Without the connection, so that nothing a revision does can run.
    context: Any = MigrationContext.configure(
        dialect=connection.dialect, opts=options(SQLModel.metadata)
    )
    context.autocommit_block = nullcontext
    recorded: list[MigrateOperation] = []
    step_numbers: list[int] = []
    counter = itertools.count()
    operations: Any = Operations(context)

    def record(operation: MigrateOperation, number: int | None = None) -> Any:
        recorded.append(operation)
        step_numbers.append(next(counter) if number is None else number)
        return operation.to_table() if isinstance(operation, ops.CreateTableOp) else None

    @contextmanager
    def batch(table_name: str, schema: str | None = None, **_: Any) -> Iterator[BatchOperations]:
        yield redirected_batch(context, table_name, schema, partial(record, number=next(counter)))

    def refuse_connection() -> None:
        raise _ConnectionNeededError

    operations.invoke, operations.batch_alter_table = record, batch
    operations.get_bind = refuse_connection
    is_complete = True
    with installed(operations):
        try:
            function()
        except Exception:
            is_complete = False
    return Recording(tuple(recorded), is_complete, tuple(step_numbers))
