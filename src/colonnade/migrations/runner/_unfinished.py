"""Revisions that were interrupted on the way: what is known of them, and how they are taken back.

A revision whose steps commit on their way can end halfway, with some steps done. Forwards it goes
on from there; back, each step of the other direction is run whose counterpart was done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.migrations import operations as safe_ops
from colonnade.migrations._environment import fresh_context
from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.guard._dry_run import Recording, record
from colonnade.migrations.runner._journal import DOWN, Journal, journal_name, rows_of
from colonnade.migrations.runner._runner import Direction, Watcher, watched


@dataclass(frozen=True)
class Unfinished:
    """A revision that was interrupted.

    Attributes:
        revision: Its id.
        direction: Which way it was going.
        done: How many of its steps are done.
        total: How many it has; 0 if that is not known.
    """

    revision: str
    direction: Direction
    done: int
    total: int

    @property
    def name(self) -> str:
        """What the journal has it under."""
        return journal_name(self.revision, self.direction)

    def __str__(self) -> str:
        of = f" of {self.total}" if self.total else ""
        going = "upgrade" if self.direction == "upgrade" else "downgrade"
        other = "downgrade" if self.direction == "upgrade" else "upgrade"
        return (
            f"unfinished {going} of {self.revision}: {self.done}{of} steps are done. "
            f"`colonnade {going}` finishes it, `colonnade {other}` undoes it."
        )


def unfinished(history: History, connection: Connection) -> list[Unfinished]:
    """The revisions that a database has half of.

    Args:
        history: The history.
        connection: The database.
    """
    unfinished_runs = []
    for name, done in rows_of(connection):
        revision = name.removesuffix(DOWN)
        direction: Direction = "upgrade" if revision == name else "downgrade"
        total = 0
        if history.has(revision):
            total = _recorded(history, connection, revision, direction).steps
        unfinished_runs.append(Unfinished(revision, direction, done, total))
    return unfinished_runs


def _recorded(
    history: History, connection: Connection, revision: str, direction: Direction
) -> Recording:
    module = next(script.module for script in history.revisions if script.revision == revision)
    return record(connection, module.upgrade if direction == "upgrade" else module.downgrade)


def take_back(history: History, connection: Connection, left: Unfinished, watcher: Watcher) -> None:
    """Undo the steps of an interrupted revision that were done.

    Args:
        history: The history.
        connection: The database.
        left: The revision.
        watcher: Told how it goes.
    """
    recording = _recorded(history, connection, left.revision, left.direction)
    module = next(
        revision.module for revision in history.revisions if revision.revision == left.revision
    )
    function: Callable[[], None] = (
        module.downgrade if left.direction == "upgrade" else module.upgrade
    )
    undoing = _Undoing(connection, recording, left.done)
    if connection.in_transaction():
        connection.rollback()
    context = fresh_context(connection, MetaData())
    context.opts["colonnade_report"] = watcher.progressed
    with (
        context.begin_transaction(_per_migration=True),
        Operations.context(context),
        watched(context, None, None, undoing.applies),
    ):
        function()
    Journal(connection, left.name).clear()
    connection.commit()


class _Undoing:
    """Which steps of the way back undo something that was done.

    Args:
        connection: The database.
        recording: The steps of the way there.
        done: How many of them are done; the next may have been begun.
    """

    def __init__(self, connection: Connection, recording: Recording, done: int) -> None:
        self.connection = connection
        self.done = done
        self.numbers: dict[Any, int] = {}
        for operation, number in zip(recording.operations, recording.numbers, strict=True):
            self.numbers.setdefault(_identity(operation), number)

    def applies(self, operation: MigrateOperation) -> bool:
        """Whether a step is to be run."""
        number = self.numbers.get(_identity(operation))
        if number is not None and number > self.done:
            return False
        is_possible = self._is_possible(operation)
        if is_possible is not None:
            return is_possible
        if number is None:
            return self.done > 0
        return number < self.done or isinstance(operation, _REPEATABLE)

    def _is_possible(self, operation: Any) -> bool | None:  # noqa: C901, PLR0912 - one case each
        """Whether there is what a step changes; None where a look does not tell."""
        inspector = sa.inspect(self.connection)
        table, schema = table_of(operation), getattr(operation, "schema", None)
        columns = self._columns(inspector, table, schema)
        match operation:
            case ops.CreateTableOp():
                return columns is None
            case ops.DropTableOp():
                return columns is not None
            case safe_ops.RenameTable():
                return columns is not None and not inspector.has_table(operation.new, schema)
        if columns is None:
            return False if table is not None else None
        match operation:
            case ops.AddColumnOp():
                return operation.column.name not in columns
            case ops.DropColumnOp():
                return operation.column_name in columns
            case safe_ops.RenameColumn():
                return operation.column in columns and operation.new not in columns
            case safe_ops.PutAside():
                return operation.column in columns and operation.aside not in columns
            case safe_ops.TakeBack():
                return operation.aside in columns and operation.column not in columns
            case safe_ops.DropIndex() | ops.DropIndexOp():
                return _name(operation) in self._indexes(inspector, table, schema)
            case ops.CreateIndexOp():
                return _name(operation) not in self._indexes(inspector, table, schema)
            case safe_ops.RenameIndex():
                return operation.index in self._indexes(inspector, table, schema)
            case safe_ops.DropCheck() | safe_ops.DropForeignKey() | ops.DropConstraintOp():
                return _name(operation) in self._constraints(inspector, table, schema)
            case safe_ops.RenameConstraint() | safe_ops.RenameCheck():
                old = getattr(operation, "constraint", None) or getattr(operation, "check", None)
                return old in self._constraints(inspector, table, schema)
            case ops.AddConstraintOp() | safe_ops.AddUnique():
                return _name(operation) not in self._constraints(inspector, table, schema)
            case safe_ops.ChangeKey():
                key = inspector.get_pk_constraint(str(table), schema)["constrained_columns"]
                return list(key) != list(operation.columns)
        column = getattr(operation, "column", None)
        return False if isinstance(column, str) and column not in columns else None

    @staticmethod
    def _columns(inspector: sa.Inspector, table: str | None, schema: str | None) -> set[str] | None:
        if table is None or not inspector.has_table(table, schema):
            return None
        return {column["name"] for column in inspector.get_columns(table, schema)}

    @staticmethod
    def _indexes(inspector: sa.Inspector, table: str | None, schema: str | None) -> set[Any]:
        return {index["name"] for index in inspector.get_indexes(str(table), schema)}

    @staticmethod
    def _constraints(inspector: sa.Inspector, table: str | None, schema: str | None) -> set[Any]:
        name = str(table)
        constraints: list[Any] = [
            *inspector.get_check_constraints(name, schema),
            *inspector.get_unique_constraints(name, schema),
            *inspector.get_foreign_keys(name, schema),
            inspector.get_pk_constraint(name, schema),
        ]
        return {constraint["name"] for constraint in constraints}


_REPEATABLE = (
    safe_ops.Fill,
    safe_ops.MapValues,
    safe_ops.Require,
    safe_ops.ReplaceCheck,
    safe_ops.AddCheck,
    safe_ops.AddForeignKey,
    safe_ops.DropNotNull,
    safe_ops.SetNotNull,
    safe_ops.ChangeEnum,
    safe_ops.AddIndex,
)
"""Steps that can be run once more, or undone, when only a part of them is done."""


def _name(operation: Any) -> Any:
    for attribute in ("constraint_name", "index_name", "name"):
        name = getattr(operation, attribute, None)
        if name is not None:
            return str(name)
    return None


def _identity(operation: Any) -> Any:  # noqa: C901, PLR0912 - one case for each kind
    """What a step and the one that undoes it have in common."""
    table, schema = table_of(operation), getattr(operation, "schema", None)
    match operation:
        case ops.CreateTableOp() | ops.DropTableOp():
            return "table", schema, table
        case ops.AddColumnOp():
            return "column", schema, table, operation.column.name
        case ops.DropColumnOp():
            return "column", schema, table, operation.column_name
        case safe_ops.RenameTable():
            return "rename", schema, frozenset((operation.table, operation.new))
        case safe_ops.RenameColumn():
            return "rename", schema, table, frozenset((operation.column, operation.new))
        case safe_ops.RenameIndex():
            return "rename", schema, table, frozenset((operation.index, operation.new))
        case safe_ops.RenameConstraint():
            return "rename", schema, table, frozenset((operation.constraint, operation.new))
        case safe_ops.RenameCheck():
            return "rename", schema, table, frozenset((operation.check, operation.new))
        case safe_ops.AsideStep():
            return "aside", schema, table, operation.column
        case safe_ops.Require() | safe_ops.SetNotNull() | safe_ops.DropNotNull():
            return "null", schema, table, operation.column
        case safe_ops.AddIndex() | safe_ops.DropIndex() | ops.CreateIndexOp() | ops.DropIndexOp():
            return "index", schema, _name(operation)
        case (
            safe_ops.ChangeType()
            | safe_ops.ChangeComputed()
            | safe_ops.MapValues()
            | safe_ops.SetDefault()
        ):
            return type(operation).__name__, schema, table, operation.column
        case safe_ops.EnumStep() | safe_ops.CreateSchema() | safe_ops.DropSchema():
            return "type", schema, operation.name
        case safe_ops.ChangeKey():
            return "key", schema, table
        case ops.AlterColumnOp():
            return "alter", schema, table, operation.column_name
    return "constraint", schema, table, _name(operation)
