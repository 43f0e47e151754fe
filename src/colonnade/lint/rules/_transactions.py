"""Commits, and where they stand."""

import ast

from colonnade.lint._context import Context


def makes(loop: ast.AST, source: str) -> bool:
    """Whether a session is made within a loop, or what else a node is."""
    first = source.partition(".")[0]
    return any(
        isinstance(inner, ast.Name) and inner.id == first and isinstance(inner.ctx, ast.Store)
        for inner in ast.walk(loop)
    )


def leaves(at: Context, call: ast.Call) -> bool:
    """Whether a loop ends after a call: it is made once."""
    statement = at.module.statement(call)
    parent = at.module.parent(statement) if statement is not None else None
    for name in ("body", "orelse", "finalbody"):
        body = getattr(parent, name, [])
        if statement in body:
            after = body[body.index(statement) :]
            return any(
                isinstance(statement, ast.Return | ast.Break | ast.Raise) for statement in after
            )
    return False
