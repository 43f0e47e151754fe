"""The names in expressions such as ``task``, ``self.session`` and ``tasks[0]``."""

import ast


def dotted_name(node: ast.expr | None) -> str:
    """The text of a chain of names such as ``self.session``; empty for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


def root_name(node: ast.expr) -> str:
    """The name at the root of an expression: ``tasks`` for ``tasks[0]``."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
