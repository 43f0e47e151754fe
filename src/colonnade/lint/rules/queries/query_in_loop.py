"""The rule CLN308, query-in-loop."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import COMPREHENSIONS, Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules._examples import SYNC, models
from colonnade.lint.rules._loops import (
    exits_after,
    exits_when_found,
    has_few_iterations,
    loop_names,
)
from colonnade.lint.rules._syntax import assigns, last_name

LOOKUPS = ("get", "get_one", "query")
QUERY_METHODS = ("get", "get_one", "exec", "execute", "scalar", "scalars", "query")


class QueryInLoop(Rule):
    """A query runs in each iteration of a loop over rows or keys (N+1).

    A hundred keys take a hundred round trips. Load all rows with one query:
    `select(Task).where(col(Task.id).in_(keys))`, a join, or `selectinload`. The rule reports
    queries that depend on the loop variable.
    """

    code = "CLN308"
    name = "query-in-loop"
    in_tests = False
    in_migrations = False
    bad = f"""{SYNC}

def load(session: Session, keys: list[int]) -> list[Task]:
    return [session.get_one(Task, key) for key in keys]  # CLN308
"""
    good = f"""{models("col")}

def load(session: Session, keys: list[int]) -> list[Task]:
    return list(session.exec(select(Task).where(col(Task.id).in_(keys))))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(*QUERY_METHODS):
            if context.session_of(call) is None or not call.args or not _is_query(context, call):
                continue
            loop = next(iter(context.enclosing_loops(call)), None)
            if loop is None or isinstance(loop, ast.While):
                continue
            names = loop_names(loop)
            source = dotted_name(call.func.value) if isinstance(call.func, ast.Attribute) else ""
            if (
                not names
                or has_few_iterations(context, loop)
                or assigns(loop, source)
                or _queries_other_tables(context, call, names)
            ):
                continue
            used = _used_loop_names(context, call, names)
            once = not isinstance(loop, COMPREHENSIONS) and (
                exits_after(context, call) or exits_when_found(context, call)
            )
            if not used or once or not _is_built_here(context, call) or _is_batch(call, used):
                continue
            message = f"a query runs for each `{'`, `'.join(sorted(used))}` of the loop"
            yield context.finding(
                self.code,
                call,
                message,
                advice="Run one query, with `in_()` or a join",
                whole=False,
            )


def _is_query(context: Context, call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    inferred = context.value(call.args[0])
    if name in ("get", "get_one", "query"):
        return inferred is not None and inferred.kind in (Kind.SYMBOL, Kind.COLUMN)
    return inferred is not None and inferred.kind is Kind.STATEMENT


def _is_built_here(context: Context, call: ast.Call) -> bool:
    """Whether the statement is built in this function, so that the rule can read it."""
    first = call.args[0]
    if isinstance(call.func, ast.Attribute) and call.func.attr in LOOKUPS:
        return True
    if not isinstance(first, ast.Name):
        return not isinstance(first, ast.Call) or _is_select(context, first)
    function = context.module.enclosing_function(call) or context.module.tree
    return any(
        isinstance(assignment, ast.Assign)
        and any(
            isinstance(target, ast.Name) and target.id == first.id for target in assignment.targets
        )
        and isinstance(assignment.value, ast.Call)
        and _is_select(context, assignment.value)
        for assignment in ast.walk(function)
    )


def _is_select(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a chain of calls on a ``select(...)``."""
    while isinstance(node, ast.Call):
        if context.resolve(node.func) in lib.SELECTS:
            return True
        node = node.func.value if isinstance(node.func, ast.Attribute) else node.func
    inferred = context.value(node)
    return inferred is not None and inferred.kind is Kind.STATEMENT


def _queries_other_tables(context: Context, call: ast.Call, names: set[str]) -> bool:
    """Whether each iteration queries another table, which a single query cannot do."""
    loop = next(iter(context.enclosing_loops(call)))
    assignments = [
        assignment for assignment in ast.walk(loop) if isinstance(assignment, ast.Assign)
    ]
    names = names | {
        target.id
        for assignment in assignments
        for target in assignment.targets
        if isinstance(target, ast.Name)
    }
    return any(
        isinstance(name, ast.Name) and name.id in names
        for query in (call, *(assignment.value for assignment in assignments))
        for node in ast.walk(query)
        if isinstance(node, ast.Call)
        for table in _queried_tables(node, call)
        for name in ast.walk(table)
    )


def _queried_tables(node: ast.Call, call: ast.Call) -> list[ast.expr]:
    """The tables that a part of a query names, as expressions."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    if name in ("select", "select_from", "exists"):
        return node.args
    return node.args[:1] if node is call and name in ("get", "get_one", "query") else []


def _is_batch(call: ast.Call, names: set[str]) -> bool:
    """Whether a query gets many rows for a loop variable: ``col(Task.id).in_(part)``."""
    lists = {
        argument.id
        for node in ast.walk(call)
        if isinstance(node, ast.Call) and last_name(node.func) == "in_"
        for argument in node.args
        if isinstance(argument, ast.Name)
    }
    return names <= lists


def _used_loop_names(context: Context, call: ast.Call, names: set[str]) -> set[str]:
    """The loop variables that a query depends on, directly or through other variables."""
    mentioned = {
        name.id
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
        for name in ast.walk(argument)
        if isinstance(name, ast.Name)
    }
    if mentioned & names:
        return mentioned & names
    loop = next(iter(context.enclosing_loops(call)))
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in mentioned for target in node.targets
        ):
            used = {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
            if used & names:
                return used & names
    return set()
