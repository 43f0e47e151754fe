"""Find interrupted revisions, and revert their completed steps.

A revision with steps that commit can stop halfway, with some of its steps completed. Running it
again resumes it. Reverting it runs those steps of the other direction that undo completed ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations, ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import Connection, MetaData

from colonnade.migrations import operations as safe_ops
from colonnade.migrations._alembic_compat import revision_transaction
from colonnade.migrations._environment import migration_context
from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.guard._dry_run import Recording, record_operations
from colonnade.migrations.runner._journal import (
    DOWNGRADE_SUFFIX,
    Journal,
    completed_steps,
    journal_name,
)
from colonnade.migrations.runner._runner import Direction, Watcher, intercept_operations


@dataclass(frozen=True)
class UnfinishedRevision:
    """A revision that was interrupted.

    Attributes:
        revision: The id of the revision.
        direction: Whether the upgrade or the downgrade was interrupted.
        done: The number of completed steps.
        total: The number of steps; 0 if unknown.
    """

    revision: str
    direction: Direction
    done: int
    total: int

    @property
    def name(self) -> str:
        """The name under which the journal records the revision."""
        return journal_name(self.revision, self.direction)

    def __str__(self) -> str:
        steps = f"{self.done} step{'' if self.done == 1 else 's'}"
        if self.total:
            steps = f"{self.done} of {self.total} steps"
        opposite = "downgrade" if self.direction == "upgrade" else "upgrade"
        return (
            f"unfinished {self.direction} of {self.revision}: {steps} completed. Run `colonnade "
            f"{self.direction}` to finish it, or `colonnade {opposite}` to revert it."
        )


def find_unfinished(history: History, connection: Connection) -> list[UnfinishedRevision]:
    """The revisions of which a database has only some steps.

    Args:
        history: The history.
        connection: The database.
    """
    revisions = []
    for name, done in completed_steps(connection):
        revision = name.removesuffix(DOWNGRADE_SUFFIX)
        direction: Direction = "upgrade" if revision == name else "downgrade"
        total = 0
        if history.has(revision):
            total = _recorded(history, connection, revision, direction).step_count
        revisions.append(UnfinishedRevision(revision, direction, done, total))
    return revisions


def _recorded(
    history: History, connection: Connection, revision: str, direction: Direction
) -> Recording:
    module = _module_of(history, revision)
    return record_operations(
        connection, module.upgrade if direction == "upgrade" else module.downgrade
    )


def revert_unfinished(
    history: History, connection: Connection, unfinished: UnfinishedRevision, watcher: Watcher
) -> None:
    """Undo the completed steps of an interrupted revision.

    Args:
        history: The history.
        connection: The database.
        unfinished: The revision.
        watcher: Receives the progress of long steps.
    """
    recording = _recorded(history, connection, unfinished.revision, unfinished.direction)
    module = _module_of(history, unfinished.revision)
    function: Callable[[], None] = (
        module.downgrade if unfinished.direction == "upgrade" else module.upgrade
    )
    step_filter = _UndoFilter(connection, recording, unfinished.done)
    if connection.in_transaction():
        connection.rollback()
    context = migration_context(connection, MetaData())
    context.opts["colonnade_report"] = watcher.progressed
    with (
        revision_transaction(context),
        Operations.context(context),
        intercept_operations(context, None, None, step_filter.applies),
    ):
        function()
    Journal(connection, unfinished.name).clear()
    connection.commit()


def _module_of(history: History, revision: str) -> Any:
    return next(script.module for script in history.revisions if script.revision == revision)


class _UndoFilter:
    """Selects the steps of the opposite direction that undo completed steps.

    Args:
        connection: The database.
        recording: The steps of the interrupted direction.
        done: The number of completed steps; the next one may be half done.
    """

    def __init__(self, connection: Connection, recording: Recording, done: int) -> None:
        self.connection = connection
        self.done = done
        self.numbers: dict[Any, int] = {}
        for operation, number in zip(recording.operations, recording.step_numbers, strict=True):
            self.numbers.setdefault(_identity(operation), number)

    def applies(self, operation: MigrateOperation) -> bool:
        """Whether a step of the opposite direction has something to undo."""
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
        """Whether the database has what a step changes; None if its schema does not show it."""
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
"""Steps that can be repeated or undone when they are half done."""


def _name(operation: Any) -> Any:
    for attribute in ("constraint_name", "index_name", "name"):
        name = getattr(operation, attribute, None)
        if name is not None:
            return str(name)
    return None


def _identity(operation: Any) -> Any:  # noqa: C901, PLR0912 - one case for each kind
    """A key that is equal for a step and the step that undoes it."""
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
