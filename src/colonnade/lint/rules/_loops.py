"""Helpers for rules about loops."""

import ast

from colonnade.lint._context import COMPREHENSIONS, Context

FEW_ITERATIONS = (
    "range(", "retr", "attempt", "chunk", "batch", "itertools.count", "page", "metadata",
    ".columns", ".foreign_keys", "tables", "models",
)  # fmt: skip

ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag"})


def _for_clauses(loop: ast.AST) -> list[ast.comprehension | ast.For | ast.AsyncFor]:
    """The ``for`` clauses of a loop or comprehension; a ``while`` has none."""
    if isinstance(loop, COMPREHENSIONS):
        return [*loop.generators]
    return [loop] if isinstance(loop, ast.For | ast.AsyncFor) else []


def loop_names(loop: ast.AST) -> set[str]:
    """The variables that a loop assigns in each iteration."""
    return {
        name.id
        for part in _for_clauses(loop)
        for name in ast.walk(part.target)
        if isinstance(name, ast.Name) and name.id != "_"
    }


def has_few_iterations(context: Context, loop: ast.AST) -> bool:
    """Whether a loop has few iterations: over literals, an enum, retries, batches or pages."""
    parts = _for_clauses(loop)
    if not parts:
        return False
    iterable = parts[0].iter
    if isinstance(iterable, ast.Tuple | ast.List | ast.Dict | ast.Set):
        return True
    if isinstance(iterable, ast.Name) and iterable.id.isupper():
        return True
    if not ENUMS.isdisjoint(context.project.ancestry(context.resolve(iterable))):
        return True
    text = ast.unparse(iterable).lower()
    return any(word in text for word in FEW_ITERATIONS)


def exits_when_found(context: Context, call: ast.Call) -> bool:
    """Whether the loop ends as soon as a call finds something: ``if row: return row``."""
    statement = context.module.enclosing_statement(call)
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            body = getattr(context.module.parent(statement), "body", [])
            following = body[body.index(statement) + 1 :] if statement in body else []
        case ast.If(test=ast.NamedExpr(target=ast.Name(id=name))):
            following = [statement]
        case _:
            return False
    return any(
        isinstance(test, ast.If)
        and any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(test.test))
        and isinstance(test.body[-1], ast.Return | ast.Break)
        for test in following
    )


def exits_after(context: Context, call: ast.Call) -> bool:
    """Whether the loop ends after a call, so that the call runs only once."""
    statement = context.module.enclosing_statement(call)
    parent = context.module.parent(statement) if statement is not None else None
    for name in ("body", "orelse", "finalbody"):
        body = getattr(parent, name, [])
        if statement in body:
            rest = body[body.index(statement) :]
            return any(
                isinstance(following, ast.Return | ast.Break | ast.Raise) for following in rest
            )
    return False
