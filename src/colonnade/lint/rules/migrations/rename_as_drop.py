"""The rule CLN602, rename-as-drop."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._modules import Function
from colonnade.lint.rules.migrations._operations import operations, revision_function


class RenameAsDrop(Rule):
    """A revision drops a column and adds another one of the same type: its values are lost.

    Alembic's autogenerate cannot see that a column was renamed, and writes this instead. If it was,
    rename it: `op.alter_column("users", "name", new_column_name="full_name")`. `colonnade migrate`
    asks.
    """

    code = "CLN602"
    name = "rename-as-drop"
    source = "https://alembic.sqlalchemy.org/en/latest/autogenerate.html#what-does-autogenerate-detect-and-what-does-it-not-detect"
    bad = '''
"""Rename the name of users."""

import sqlalchemy as sa
from alembic import op

revision = "b2"
down_revision = "b1"


def upgrade() -> None:
    op.drop_column("users", "name")  # CLN602
    op.add_column("users", sa.Column("full_name", sa.String(80), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "full_name")
    op.add_column("users", sa.Column("name", sa.String(80), nullable=True))
'''
    good = '''
"""Rename the name of users."""

from alembic import op

revision = "b2"
down_revision = "b1"


def upgrade() -> None:
    op.alter_column("users", "name", new_column_name="full_name")


def downgrade() -> None:
    op.alter_column("users", "full_name", new_column_name="name")
'''

    def check(self, context: Context) -> Iterator[Finding]:
        upgrade = revision_function(context, "upgrade")
        downgrade = revision_function(context, "downgrade")
        if upgrade is None or downgrade is None:
            return
        if any(context.module.calls_named("execute")):
            return  # it may copy the values
        added, restored = _added(context, upgrade), _added(context, downgrade)
        for call, table in operations(context, upgrade, "drop_column"):
            name = ast.unparse(call.args[1]) if len(call.args) > 1 else ""
            new = [column for (where, _), column in added.items() if where == table]
            dropped = [
                each for _, each in operations(context, upgrade, "drop_column") if each == table
            ]
            if len(new) != 1 or len(dropped) != 1 or restored.get((table, name)) != new[0]:
                continue
            message = f"the values of {name} are lost, if the column of `{table}` was renamed"
            advice = "Rename it: `op.alter_column(..., new_column_name=...)`"
            yield context.finding(self.code, call, message, advice=advice)


def _added(context: Context, function: Function) -> dict[tuple[str, str], str]:
    """The columns that a function adds, by table and name, with the text of their types."""
    added: dict[tuple[str, str], str] = {}
    for call, table in operations(context, function, "add_column"):
        match call.args[1:]:
            case [ast.Call(args=[ast.Constant() as name, *rest], keywords=options)]:
                parts = [*rest, *(option.value for option in options)]
                added[table, ast.unparse(name)] = ", ".join(map(ast.unparse, parts))
    return added
