"""The rule CLN315, filter-in-python."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import is_name

ORDERED = frozenset({"order_by", "options"})


class FilterInPython(Rule):
    """All rows of a table are loaded, and Python keeps some of them.

    The database reads and sends the whole table, and the app builds an object for each row, to
    keep a few. Add the condition to the statement: `select(Task).where(Task.done == True)`.
    """

    code = "CLN315"
    name = "filter-in-python"
    in_tests = False
    in_migrations = False
    bad = f"""{models()}

def large(session: Session, least: int) -> list[Task]:
    return [task for task in session.exec(select(Task)).all() if task.id > least]  # CLN315
"""
    good = f"""{models()}

def large(session: Session, least: int) -> list[Task]:
    return list(session.exec(select(Task).where(Task.id > least)).all())
"""

    def check(self, context: Context) -> Iterator[Finding]:
        comprehensions: list[ast.ListComp | ast.SetComp | ast.GeneratorExp] = [
            *context.module.nodes(ast.ListComp),
            *context.module.nodes(ast.SetComp),
            *context.module.nodes(ast.GeneratorExp),
        ]
        for comprehension in comprehensions:
            first = comprehension.generators[0]
            if (
                first.ifs
                and isinstance(first.target, ast.Name)
                and all(_is_sql(context, test, first.target.id) for test in first.ifs)
                and _loads_table(context, first.iter)
            ):
                message = "all rows of the table are loaded, and Python keeps some of them"
                advice = "Add the condition to the statement: `.where(...)`"
                yield context.finding(self.code, comprehension, message, advice=advice)


def _is_sql(context: Context, test: ast.expr, name: str) -> bool:
    """Whether a test compares a column of a row with a value that does not depend on the row."""
    match test:
        case ast.Compare(left=ast.Attribute(value=row) as column, ops=[operator],
                         comparators=[other]):  # fmt: skip
            return (
                is_name(row, name)
                and isinstance(operator, ast.Eq | ast.NotEq | ast.Lt | ast.LtE | ast.Gt | ast.GtE)
                and _is_column(context, column)
                and isinstance(other, ast.Name | ast.Constant)
            )
    return False


def _is_column(context: Context, node: ast.Attribute) -> bool:
    row = context.value(node.value)
    return (
        row is not None
        and row.kind is Kind.ROW
        and row.model is not None
        and node.attr in row.model.fields
    )


def _loads_table(context: Context, node: ast.expr) -> bool:
    """Whether an expression loads all rows of a table: ``session.exec(select(Task)).all()``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr == "all":
            return _loads_table(context, node.func.value)
        if node.func.attr in ("exec", "scalars") and context.session_of(node) is not None:
            return len(node.args) == 1 and _is_whole_table(context, node.args[0])
    return isinstance(node, ast.Await) and _loads_table(context, node.value)


def _is_whole_table(context: Context, node: ast.expr) -> bool:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr not in ORDERED:
            break
        node = node.func.value
    return isinstance(node, ast.Call) and context.resolve(node.func) in lib.SELECTS
