"""Short descriptions of operations, for revision messages and drift reports."""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from colonnade.migrations import operations as safe_ops


def flatten(operations: Iterable[MigrateOperation]) -> Iterator[MigrateOperation]:
    """Yield operations, with those on a table in place of the group that holds them."""
    for operation in operations:
        if isinstance(operation, ops.ModifyTableOps):
            yield from operation.ops
        else:
            yield operation


def table_of(operation: MigrateOperation) -> str | None:
    """Return the name of the table that an operation changes; None if there is none.

    Alembic's operations on foreign keys have a ``source_table``, its others a ``table_name``.
    """
    names = (getattr(operation, name, None) for name in ("source_table", "table_name", "table"))
    return next((str(name) for name in names if name), None)


def join_reprs(values: Iterable[str]) -> str:
    """Join the representations of values with commas."""
    return ", ".join(map(repr, values))


def describe(operation: MigrateOperation) -> str:
    """Describe an operation in a few words."""
    if isinstance(operation, safe_ops.Step):
        return str(operation)
    match operation:
        case ops.CreateTableOp():
            return f"create {operation.table_name}"
        case ops.DropTableOp():
            return f"drop {operation.table_name}"
        case ops.AddColumnOp():
            return f"add {operation.table_name}.{operation.column.name}"
        case ops.DropColumnOp():
            return f"drop {operation.table_name}.{operation.column_name}"
        case ops.AlterColumnOp():
            column = f"{operation.table_name}.{operation.column_name}"
            return f"{_describe_alteration(operation)} of {column}"
        case ops.CreateIndexOp():
            return f"add index {operation.index_name}"
        case ops.DropIndexOp():
            return f"drop index {operation.index_name}"
        case ops.DropConstraintOp():
            name = operation.constraint_name or f"a {operation.constraint_type} constraint"
            return f"drop {name} from {operation.table_name}"
        case ops.AddConstraintOp():
            added: Any = operation
            return f"add {added.constraint_name} to {table_of(operation)}"
        case ops.ExecuteSQLOp():
            text = " ".join(str(operation.sqltext).split())
            return f"run {text if len(text) <= 60 else text[:57] + '...'}"
    return type(operation).__name__.removesuffix("Op")


def _describe_alteration(alter: ops.AlterColumnOp) -> str:
    changes = []
    if alter.modify_type is not None:
        changes.append("change the type")
    if alter.modify_nullable is not None:
        changes.append("drop NOT NULL" if alter.modify_nullable else "set NOT NULL")
    if alter.modify_server_default is not False:
        changes.append("change the default")
    if alter.modify_comment is not False:
        changes.append("change the comment")
    if alter.modify_name is not None:
        changes.append("change the name")
    return ", ".join(changes) or "change attributes"


LONGEST_MESSAGE = 70


def summarize(nested: Iterable[MigrateOperation]) -> str:
    """Return the default message of a revision: its most important operations."""
    operations = list(flatten(nested))
    main = [
        operation for operation in operations if not isinstance(operation, _MINOR)
    ] or operations
    created = [
        operation.table_name for operation in main if isinstance(operation, ops.CreateTableOp)
    ]
    words = [
        describe(operation) for operation in main if not isinstance(operation, ops.CreateTableOp)
    ]
    if created:
        words.insert(0, f"create {', '.join(created)}")
    text = ""
    for number, word in enumerate(words):
        if len(text) + len(word) > LONGEST_MESSAGE and number:
            return f"{text} and more"
        text += f", {word}" if text else word
    return text


_MINOR = (
    safe_ops.Fill,
    safe_ops.Require,
    safe_ops.SetNotNull,
    safe_ops.RenameCheck,
    safe_ops.RenameIndex,
    safe_ops.TakeBack,
    safe_ops.AddCheck,
    safe_ops.AddForeignKey,
    safe_ops.CreateEnum,
    safe_ops.DropEnum,
    ops.DropConstraintOp,
    ops.CreateIndexOp,
)
"""Operations that mostly follow from others, and are left out of a message."""
