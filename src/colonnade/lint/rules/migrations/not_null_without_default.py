"""The rule CLN601, not-null-without-default."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules._syntax import last_name
from colonnade.lint.rules.migrations._operations import (
    created_tables,
    operations,
    revision_function,
)

COMPUTED = frozenset({"Computed", "Identity", "FetchedValue", "Sequence"})


class NotNullWithoutDefault(Rule):
    """A revision adds a NOT NULL column without a server default to a table that has rows.

    "column contains null values": the revision fails on every database that has rows, and passes on
    the empty one of the tests. Add the column with a `server_default`, or nullable, fill it, and
    make it NOT NULL then. `colonnade migrate` asks for the value.
    """

    code = "CLN601"
    name = "not-null-without-default"
    source = "https://www.postgresql.org/docs/current/sql-altertable.html"
    bad = '''
"""Add the phone of users."""

import sqlalchemy as sa
from alembic import op

revision = "b1"
down_revision = "a1"


def upgrade() -> None:
    op.add_column("users", sa.Column("phone", sa.String(20), nullable=False))  # CLN601
'''
    good = '''
"""Add the phone of users."""

import sqlalchemy as sa
from alembic import op

revision = "b1"
down_revision = "a1"


def upgrade() -> None:
    op.add_column("users", sa.Column("phone", sa.String(20), nullable=False, server_default=""))
'''

    def check(self, context: Context) -> Iterator[Finding]:
        upgrade = revision_function(context, "upgrade")
        if upgrade is None:
            return
        new = created_tables(context, upgrade)
        for call, table in operations(context, upgrade, "add_column"):
            column = call.args[1] if len(call.args) > 1 else None
            if table in new or not isinstance(column, ast.Call) or not _refuses_rows(column):
                continue
            message = f"`{table}` may have rows, for which this NOT NULL column has no value"
            advice = "Add a `server_default`, or fill the column before it becomes NOT NULL"
            yield context.finding(self.code, call, message, advice=advice)


def _refuses_rows(column: ast.Call) -> bool:
    """Whether a new column is NOT NULL, and nothing gives the rows that exist a value."""
    options = {keyword.arg: keyword.value for keyword in column.keywords}
    nullable = options.get("nullable")
    is_required = isinstance(nullable, ast.Constant) and nullable.value is False
    has_value = any(
        isinstance(argument, ast.Call) and last_name(argument.func) in COMPUTED
        for argument in column.args
    )
    return is_required and not has_value and options.keys().isdisjoint({"server_default", None})
