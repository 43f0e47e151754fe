"""Helpers for names in syntax trees."""

import ast


def is_name(node: ast.AST, name: str) -> bool:
    """Whether an expression is a certain name."""
    return isinstance(node, ast.Name) and node.id == name


def last_name(node: ast.expr) -> str:
    """The last part of a dotted name; empty for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def assigns(tree: ast.AST, path: str) -> bool:
    """Whether the first name of a dotted path is assigned anywhere inside a node."""
    first = path.partition(".")[0]
    return any(
        isinstance(node, ast.Name) and node.id == first and isinstance(node.ctx, ast.Store)
        for node in ast.walk(tree)
    )
