"""Whether the inferred value of an expression is certain on every path that leads to it.

A finding needs one path on which the code is wrong; a safe fix must be right on all of them.
"""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._modules import Function, Module, parameters
from colonnade.lint.project._project import ModuleScope

DEPTH = 8  # of names that are assigned from other names; more is a cycle


def is_certain(context: Context, node: ast.expr, depth: int = 0) -> bool:
    """Whether the value of an expression is known on every path."""
    match node:
        case ast.Await(value=inner):
            return is_certain(context, inner, depth)
        case ast.IfExp(body=body, orelse=other):
            return is_certain(context, body, depth) and is_certain(context, other, depth)
        case ast.BoolOp(values=values):
            return all(is_certain(context, value, depth) for value in values)
        case ast.Constant(value=None):
            return True
        case _ if context.value(node) is None or depth > DEPTH:
            return False
        case ast.Name():
            return all(
                _is_binding_certain(context, binding, depth) for binding in _bindings(context, node)
            )
        case ast.Attribute(attr=name):
            stores = [
                attribute
                for attribute in context.module.nodes(ast.Attribute)
                if _is_stored(attribute, name)
            ]
            return bool(stores) and all(
                _is_binding_certain(context, context.module.parent(store), depth)
                for store in stores
            )
        case ast.Call(func=func):
            return _is_call_certain(context, func, depth)
    return True


def is_method_certain(context: Context, func: ast.expr) -> bool:
    """Whether the object of a method call, or the called function, is known on every path."""
    return is_certain(context, func.value if isinstance(func, ast.Attribute) else func)


def _bindings(context: Context, node: ast.Name) -> Iterator[ast.AST | None]:
    """Yield the statements that assign a name in its function, else in its module."""
    function = context.module.enclosing_function(node)
    stores = [name for name in context.module.nodes(ast.Name) if _is_stored(name, node.id)]
    inside = [
        store
        for store in stores
        if function and context.module.enclosing_function(store) is function
    ]
    is_parameter = function and any(
        parameter.arg == node.id for parameter, _ in parameters(function)
    )
    outside = [store for store in stores if context.module.enclosing_function(store) is None]
    yield from map(context.module.parent, inside or ([] if is_parameter else outside))


def _is_stored(node: ast.Name | ast.Attribute, name: str) -> bool:
    written = node.id if isinstance(node, ast.Name) else node.attr
    return written == name and isinstance(node.ctx, ast.Store)


def _is_binding_certain(context: Context, binding: ast.AST | None, depth: int) -> bool:
    match binding:
        case ast.Assign(value=value) | ast.NamedExpr(value=value):
            return is_certain(context, value, depth + 1)
        case ast.AnnAssign(value=value):
            return value is None or is_certain(context, value, depth + 1)
        case ast.withitem(context_expr=manager, optional_vars=target):
            return context.value(target) is not None and is_certain(context, manager, depth + 1)
        case _:
            return False


def _is_call_certain(context: Context, func: ast.expr, depth: int) -> bool:
    """Whether the inferred result of a call is its only possible result."""
    inferred = context.value(func)
    called = (
        context.project.called_function(inferred.name)
        if inferred and inferred.kind is Kind.SYMBOL
        else None
    )
    if called is not None:
        return _is_return_certain(context, *called)
    return (
        is_certain(context, func.value, depth)
        if isinstance(func, ast.Attribute) and inferred is None
        else True
    )


def _is_return_certain(context: Context, function: Function, module: Module) -> bool:
    """Whether a function has a return annotation, or all of its results are known."""
    if ModuleScope(context.project, module).hint(function.returns).name:
        return True
    flow = context.inference.flow(function, module)
    results = [
        statement.value
        for statement in ast.walk(function)
        if isinstance(statement, ast.Return | ast.Yield)
    ]
    return flow is not None and all(
        result is None or isinstance(result, ast.Constant) or flow.value(result) is not None
        for result in results
    )
