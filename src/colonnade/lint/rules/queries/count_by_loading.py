"""The rule CLN310, count-by-loading."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._examples import SYNC, models

LOADED = frozenset({Kind.ROWS, Kind.TUPLES, Kind.QUERY})


class CountByLoading(Rule):
    """Rows are counted by loading all of them.

    `len(session.exec(select(Task)).all())` transfers every row and creates an object for each.
    `session.exec(select(func.count()).select_from(Task)).one()` transfers a single number.
    """

    code = "CLN310"
    name = "count-by-loading"
    in_tests = False
    bad = f"""{SYNC}

def count(session: Session) -> int:
    return len(session.exec(select(Task)).all())  # CLN310
"""
    good = f"""{models("func")}

def count(session: Session) -> int:
    return session.exec(select(func.count()).select_from(Task)).one()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("len"):
            inner = call.args[0] if len(call.args) == 1 else None
            rows = _loaded(inner) if inner is not None else None
            inferred = context.value(rows)
            if rows is None or inferred is None or inferred.has_limit:
                continue
            if inferred.kind in LOADED and not _is_limited(context, rows):
                message = "all rows are loaded only to be counted"
                advice = "Count in the database: `select(func.count()).select_from(...)`"
                yield context.finding(self.code, call, message, advice=advice)


def _loaded(node: ast.expr) -> ast.expr | None:
    """The result that ``.all()`` or ``list()`` loads; None for another expression."""
    node = node.value if isinstance(node, ast.Await) else node
    match node:
        case ast.Call(func=ast.Attribute(value=rows, attr="all" | "fetchall"), args=[]):
            return rows
        case ast.Call(func=ast.Name(id="list"), args=[rows]):
            return rows.value if isinstance(rows, ast.Await) else rows
    return None


def _is_limited(context: Context, rows: ast.expr) -> bool:
    """Whether the executed statement has a limit."""
    rows = rows.value if isinstance(rows, ast.Await) else rows
    first = rows.args[0] if isinstance(rows, ast.Call) and rows.args else None
    statement = context.value(first)
    return statement is not None and statement.has_limit
