"""What an expression is, before anything is known of the project."""

import ast

from colonnade.lint.inference._values import Kind, Value

ITERABLE = frozenset({Kind.MANY, Kind.ROWS})


def dotted(node: ast.expr | None) -> str:
    """``self.session`` as text; empty for what is not a chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def root(node: ast.expr) -> str:
    """The name that a row is reached by: ``tasks`` for ``tasks[0]``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def iterated(value: Value | None) -> Value | None:
    """What a loop over a value gives."""
    return value.item if value is not None and value.kind in ITERABLE else None
