"""Names in expressions."""

import ast


def is_name(node: ast.expr, name: str) -> bool:
    """Whether an expression is a name, that one."""
    return isinstance(node, ast.Name) and node.id == name
