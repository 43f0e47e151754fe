"""The tables whose rows a call of a session reads or changes."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._models import Model

EXECUTE_METHODS = ("exec", "execute", "scalar", "scalars", "stream", "stream_scalars")
GET_METHODS = ("get", "get_one")
STATEMENTS = lib.SELECTS | {"sqlalchemy.update", "sqlalchemy.delete"}
COMBINATIONS = frozenset({"sqlalchemy.and_", "sqlalchemy.or_", "sqlalchemy.not_"})
CONDITION_METHODS = frozenset({"where", "filter", "filter_by"})
FOLLOWED = (*CONDITION_METHODS, "select_from")


def accessed_tables(context: Context, call: ast.Call) -> Iterator[Model]:
    """Yield the tables whose rows a call of a session accesses, as far as they are certain.

    Yields nothing for a statement that is created elsewhere, or has a condition that is not known:
    a variable or the result of a function could be any condition.
    """
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if not call.args:
        return
    if name in GET_METHODS:
        yield from _models(context, call.args[0])
        return
    created = _created_statement(context, call.args[0])
    if created is None or not _are_conditions_known(context, call):
        return
    for argument in created.args:
        yield from _models(context, argument)
    for method in _methods(context, created):
        if isinstance(method.func, ast.Attribute) and method.func.attr == "select_from":
            for argument in method.args:
                yield from _models(context, argument)


def _models(context: Context, node: ast.expr) -> Iterator[Model]:
    for inner in ast.walk(node):
        value = context.value(inner)
        if value is None:
            continue
        model = value.model if value.kind is Kind.COLUMN else None
        if value.kind is Kind.SYMBOL:
            model = context.project.model(value.name)
        if model is not None and model.is_table:
            yield model


def _created_statement(context: Context, node: ast.expr) -> ast.Call | None:
    """The ``select(...)``, ``update(...)`` or ``delete(...)`` that a statement starts with."""
    start: ast.expr = node
    while isinstance(start, ast.Call):
        if context.resolve(start.func) in STATEMENTS:
            return start
        if not isinstance(start.func, ast.Attribute):
            return None
        start = start.func.value
    value = context.value(start)
    created = value.node if value is not None and value.kind is Kind.STATEMENT else None
    function = context.module.enclosing_function(node)
    if not isinstance(created, ast.Call) or context.module.enclosing_function(created) != function:
        return None
    return created


def _methods(context: Context, created: ast.Call) -> Iterator[ast.Call]:
    """The calls of methods that follow on a new statement."""
    node: ast.AST | None = created
    while isinstance(attribute := context.module.parent(node) if node else None, ast.Attribute):
        node = context.module.parent(attribute)
        if not isinstance(node, ast.Call):
            return
        yield node


def _are_conditions_known(context: Context, call: ast.Call) -> bool:
    """Whether all conditions in the function of a call are comparisons with columns."""
    function = context.module.enclosing_function(call)
    for condition_call in context.module.calls_named(*CONDITION_METHODS):
        if context.module.enclosing_function(condition_call) is function:
            if any(keyword.arg is None for keyword in condition_call.keywords):
                return False  # filter_by(**scope)
            if not all(_is_known(context, argument) for argument in condition_call.args):
                return False
    return True


def _is_known(context: Context, condition: ast.expr) -> bool:
    match condition:
        case ast.Compare() | ast.Constant():
            return True
        case ast.UnaryOp(operand=operand):
            return _is_known(context, operand)
        case ast.BinOp(left=left, right=right):
            return _is_known(context, left) and _is_known(context, right)
        case ast.Call(func=func, args=arguments) if context.resolve(func) in COMBINATIONS:
            return all(_is_known(context, argument) for argument in arguments)
        case ast.Call(func=ast.Attribute(value=column, attr=method), args=arguments):
            is_list = method == "in_" and not _is_input(context, arguments[0])
            return _is_column(context, column) and not is_list
        case _:
            return _is_column(context, condition)


def _is_column(context: Context, node: ast.expr) -> bool:
    value = context.value(node)
    return value is not None and value.kind is Kind.COLUMN


def _is_input(context: Context, node: ast.expr) -> bool:
    """Whether a list of values is written in the code, or comes straight from the client."""
    if isinstance(node, ast.Attribute):
        return _is_input(context, node.value)
    if isinstance(node, ast.Name):
        function = context.module.enclosing_function(node)
        names = [parameter.arg for parameter in function.args.args] if function else []
        return node.id in names
    return isinstance(node, ast.List | ast.Tuple | ast.Set)
