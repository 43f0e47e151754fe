"""The operations of Alembic revisions."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.project._modules import Function


def operations(context: Context, function: Function, name: str) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls of an operation in a function, each with the name of its table.

    Args:
        context: The module.
        function: The function: ``upgrade`` or ``downgrade``.
        name: The operation, such as ``add_column``.
    """
    for call in context.module.calls_named(name):
        if context.resolve(call.func) != f"alembic.op.{name}":
            continue
        if context.module.enclosing_function(call) is function and call.args:
            table = call.args[0]
            if isinstance(table, ast.Constant) and isinstance(table.value, str):
                yield call, table.value


def revision_function(context: Context, name: str) -> Function | None:
    """The function ``upgrade`` or ``downgrade`` of a revision; None in another module."""
    if "down_revision" not in context.module.summary.exports:
        return None
    return next((each for each in context.module.functions if each.name == name), None)


def created_tables(context: Context, function: Function) -> set[str]:
    """The names of the tables that a function creates, which have no rows yet."""
    return {table for _, table in operations(context, function, "create_table")}
