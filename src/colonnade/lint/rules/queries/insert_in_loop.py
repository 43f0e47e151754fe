"""The rule CLN314, insert-in-loop."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._loops import has_few_iterations, loop_names
from colonnade.lint.rules._syntax import assigns, last_name

INSERTS = frozenset(
    {"sqlalchemy.insert", "sqlalchemy.dialects.postgresql.insert",
     "sqlalchemy.dialects.sqlite.insert", "sqlalchemy.dialects.mysql.insert"}
)  # fmt: skip


class InsertInLoop(Rule):
    """Rows are inserted with one statement each, in a loop.

    A thousand rows take a thousand round trips. Execute the statement once with all rows:
    `session.execute(insert(Task), [{"title": title} for title in titles])`, or
    `session.add_all(...)`.
    """

    code = "CLN314"
    name = "insert-in-loop"
    in_tests = False
    in_migrations = False
    source = "https://docs.sqlalchemy.org/en/21/orm/queryguide/dml.html#orm-bulk-insert-statements"
    bad = f"""{models(before="from sqlalchemy import insert")}

def add(session: Session, titles: list[str]) -> None:
    for title in titles:
        session.execute(insert(Task).values(title=title))  # CLN314
    session.commit()
"""
    good = f"""{models(before="from sqlalchemy import insert")}

def add(session: Session, titles: list[str]) -> None:
    session.execute(insert(Task), [{{"title": title}} for title in titles])
    session.commit()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("execute", "exec"):
            if context.session_of(call) is None or len(call.args) != 1:
                continue
            loop = next(iter(context.enclosing_loops(call)), None)
            if not isinstance(loop, ast.For | ast.AsyncFor) or has_few_iterations(context, loop):
                continue
            source = ast.unparse(call.func).rpartition(".")[0]
            if assigns(loop, source) or not _inserts(context, call.args[0], loop_names(loop)):
                continue
            message = "each iteration inserts a row with another statement"
            advice = "Execute the insert once, with a list of all rows"
            yield context.finding(self.code, call, message, advice=advice, whole=False)


def _inserts(context: Context, node: ast.expr, names: set[str]) -> bool:
    """Whether a statement inserts the values of a loop, and says nothing about conflicts."""
    methods = []
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        methods.append(node)
        if context.resolve(node.func) in INSERTS:
            break
        node = node.func.value
    if not isinstance(node, ast.Call) or context.resolve(node.func) not in INSERTS:
        return False
    if {last_name(method.func) for method in methods} - {"values", "insert"}:
        return False
    return any(
        isinstance(name, ast.Name) and name.id in names
        for method in methods
        for argument in (*method.args, *(keyword.value for keyword in method.keywords))
        for name in ast.walk(argument)
    )
