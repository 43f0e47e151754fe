"""The rule CLN116, naive-comparison."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._models import ModelField
from colonnade.lint.rules.datetimes._time_zones import DATETIME, NOW, UTC_NOW


class NaiveComparison(Rule):
    """A time without a time zone is compared with a column that has one.

    PostgreSQL's `timestamp with time zone` comes back as an aware datetime, and Python raises
    `TypeError: can't compare offset-naive and offset-aware datetimes`. Use
    `datetime.now(timezone.utc)`. SQLite returns such a column without a time zone, so tests on it
    do not show the mistake.
    """

    code = "CLN116"
    name = "naive-comparison"
    in_tests = False
    source = "https://docs.python.org/3/library/datetime.html#aware-and-naive-objects"
    bad = """
from datetime import datetime

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel


class Token(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))


def is_expired(token: Token) -> bool:
    return token.expires_at < datetime.now()  # CLN116
"""
    good = """
from datetime import datetime, timezone

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel


class Token(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))


def is_expired(token: Token) -> bool:
    return token.expires_at < datetime.now(timezone.utc)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.nodes(ast.Compare):
            if len(node.ops) != 1 or isinstance(node.ops[0], ast.Is | ast.IsNot | ast.In):
                continue
            for column, other in (
                (node.left, node.comparators[0]),
                (node.comparators[0], node.left),
            ):
                field = _aware_field(context, column)
                if field is not None and _is_naive_now(context, other):
                    message = f"`{field.name}` has a time zone, and this time has none: TypeError"
                    advice = "Use `datetime.now(timezone.utc)`"
                    yield context.finding(self.code, node, message, advice=advice)


def _aware_field(context: Context, node: ast.expr) -> ModelField | None:
    """The column with a time zone that is read from a row; None for other expressions."""
    if not isinstance(node, ast.Attribute):
        return None
    row = context.value(node.value)
    if row is None or row.kind is not Kind.ROW or row.model is None:
        return None
    field = row.model.fields.get(node.attr)
    if field is None:
        return None
    has_zone = any(
        isinstance(expression, ast.Call)
        and field.owner.resolve(expression.func) == DATETIME
        and any(map(_sets_zone, expression.keywords))
        for expression in field.type_expressions()
    )
    return field if has_zone else None


def _sets_zone(keyword: ast.keyword) -> bool:
    value = keyword.value
    return keyword.arg == "timezone" and isinstance(value, ast.Constant) and value.value is True


def _is_naive_now(context: Context, node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_naive_now(context, node.left)
    if not isinstance(node, ast.Call):
        return False
    name = context.resolve(node.func)
    return name == UTC_NOW or (name == NOW and not node.args and not node.keywords)
