"""Whether a name is what it seems to be on every way that leads to it.

For a finding it is enough that something is wrong on one way; a safe fix has to be right on all.
"""

import ast

from colonnade.lint._context import Context


def is_certain(at: Context, node: ast.expr) -> bool:
    """Whether it is known what the name holds that a chain of attributes begins with."""
    name = _root(node)
    scope = at.module.function(node) or at.module.tree
    stores = [
        one
        for one in ast.walk(scope)
        if isinstance(one, ast.Name) and one.id == name and isinstance(one.ctx, ast.Store)
    ]
    return all(_is_binding_known(at, at.module.parent(one)) for one in stores)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_binding_known(at: Context, binding: ast.AST | None) -> bool:
    match binding:
        case ast.Assign(value=value) | ast.NamedExpr(value=value):
            return _is_known(at, value)
        case ast.AnnAssign(value=value):
            return value is None or _is_known(at, value)
        case ast.withitem(optional_vars=target):
            return at.value(target) is not None
        case _:
            return False


def _is_known(at: Context, node: ast.expr) -> bool:
    match node:
        case ast.IfExp(body=one, orelse=other):
            return _is_known(at, one) and _is_known(at, other)
        case ast.BoolOp(values=values):
            return all(_is_known(at, one) for one in values)
        case ast.Constant(value=None):
            return True
        case _:
            return at.value(node) is not None
