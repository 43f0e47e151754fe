"""The rule CLN310, count-by-loading."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._examples import SYNC, models


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
            if isinstance(inner, ast.Await):
                inner = inner.value
            if not isinstance(inner, ast.Call) or not isinstance(inner.func, ast.Attribute):
                continue
            if inner.func.attr not in ("all", "fetchall"):
                continue
            inferred = context.value(inner.func.value)
            if inferred is not None and inferred.kind in (Kind.ROWS, Kind.TUPLES, Kind.QUERY):
                message = "all rows are loaded only to be counted"
                advice = "Count in the database: `select(func.count()).select_from(...)`"
                yield context.finding(self.code, call, message, advice=advice)
