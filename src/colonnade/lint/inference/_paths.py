"""Expressions that are names: ``task``, ``self.session``, ``tasks[0]``."""

import ast


def dotted_name(node: ast.expr | None) -> str:
    """``self.session`` as text; empty for what is no chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def root_name(node: ast.expr) -> str:
    """The name that a row is reached by: ``tasks`` for ``tasks[0]``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
