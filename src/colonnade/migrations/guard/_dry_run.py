"""What a revision would do, found out without doing it."""

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

from colonnade.migrations._environment import options
from colonnade.migrations.runner._runner import idle_batch


@dataclass(frozen=True)
class Recording:
    """The operations of a revision.

    Attributes:
        operations: In their order.
        is_whole: Whether that is all; not if it asks the database something on the way.
        numbers: The number of the step that each is part of.
    """

    operations: tuple[MigrateOperation, ...]
    is_whole: bool = True
    numbers: tuple[int, ...] = ()

    @property
    def steps(self) -> int:
        """How many steps the revision has; the operations of a batch are one."""
        return max(self.numbers, default=-1) + 1


class _AsksError(Exception):
    """The revision wants an answer from the database."""


def record(connection: Connection, function: Callable[..., Any]) -> Recording:
    """The operations of an ``upgrade`` or ``downgrade``.

    Args:
        connection: The database; nothing is run on it.
        function: The revision's.
    """
    # Without the connection, so that nothing a revision does can run.
    context: Any = MigrationContext.configure(
        dialect=connection.dialect, opts=options(SQLModel.metadata)
    )
    context.autocommit_block = nullcontext
    recorded: list[MigrateOperation] = []
    numbers: list[int] = []
    count = itertools.count()
    operations: Any = Operations(context)

    def note(operation: MigrateOperation, number: int | None = None) -> Any:
        recorded.append(operation)
        numbers.append(next(count) if number is None else number)
        return operation.to_table() if isinstance(operation, ops.CreateTableOp) else None

    @contextmanager
    def batch(table_name: str, schema: str | None = None, **_: Any) -> Iterator[BatchOperations]:
        yield idle_batch(context, table_name, schema, partial(note, number=next(count)))

    def asks() -> None:
        raise _AsksError

    operations.invoke, operations.batch_alter_table, operations.get_bind = note, batch, asks
    operations._install_proxy()
    try:
        function()
    except Exception:
        return Recording(tuple(recorded), is_whole=False, numbers=tuple(numbers))
    finally:
        operations._remove_proxy()
    return Recording(tuple(recorded), numbers=tuple(numbers))
