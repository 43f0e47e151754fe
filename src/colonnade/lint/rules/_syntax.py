"""Helpers for names in syntax trees."""

import ast


def is_name(node: ast.expr, name: str) -> bool:
    """Whether an expression is a certain name."""
    return isinstance(node, ast.Name) and node.id == name


def assigns(tree: ast.AST, path: str) -> bool:
    """Whether the first name of a dotted path is assigned anywhere inside a node."""
    first = path.partition(".")[0]
    return any(
        isinstance(node, ast.Name) and node.id == first and isinstance(node.ctx, ast.Store)
        for node in ast.walk(tree)
    )
