"""Questions about loops and what they iterate over."""

import ast

from colonnade.lint._context import COMPREHENSIONS, Context

FEW_ITERATIONS = (
    "range(", "retr", "attempt", "chunk", "batch", "itertools.count", "page", "metadata",
    ".columns", ".foreign_keys", "tables", "models",
)  # fmt: skip


def _rounds(loop: ast.AST) -> list[ast.comprehension | ast.For | ast.AsyncFor]:
    """The ``for`` clauses of a loop or comprehension; a ``while`` has none."""
    if isinstance(loop, COMPREHENSIONS):
        return [*loop.generators]
    return [loop] if isinstance(loop, ast.For | ast.AsyncFor) else []


def loop_names(loop: ast.AST) -> set[str]:
    """The variables that a loop assigns in each iteration."""
    return {
        name.id
        for part in _rounds(loop)
        for name in ast.walk(part.target)
        if isinstance(name, ast.Name) and name.id != "_"
    }


def is_known(loop: ast.AST) -> bool:
    """Whether a loop iterates over literals, retries, batches or pages, which are few."""
    parts = _rounds(loop)
    if not parts:
        return False
    over = parts[0].iter
    if isinstance(over, ast.Tuple | ast.List | ast.Dict | ast.Set):
        return True
    if isinstance(over, ast.Name) and over.id.isupper():
        return True
    text = ast.unparse(over).lower()
    return any(word in text for word in FEW_ITERATIONS)


def exits_after(context: Context, call: ast.Call) -> bool:
    """Whether the block of a call ends its loop, so that the call runs once."""
    statement = context.module.enclosing_statement(call)
    parent = context.module.parent(statement) if statement is not None else None
    for name in ("body", "orelse", "finalbody"):
        body = getattr(parent, name, [])
        if statement in body:
            rest = body[body.index(statement) :]
            return any(isinstance(later, ast.Return | ast.Break | ast.Raise) for later in rest)
    return False
