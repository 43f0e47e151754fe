"""The dependencies of functions: what ``Depends()`` names in their parameters and in routes."""

import ast
from collections.abc import Iterable, Iterator

from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import parse_expression
from colonnade.lint.project._modules import Function, parameters
from colonnade.lint.project._project import ModuleScope, Project

DEPTH = 8  # of type aliases; more is a cycle


def dependency_parameters(function: Function, scope: ModuleScope) -> Iterator[tuple[str, str]]:
    """Yield each parameter with a dependency, and the qualified name of the dependency.

    The name is empty if it is not known, as that of ``Depends(require("admin"))``.
    """
    for parameter, default in parameters(function):
        if default is not None:
            yield from ((parameter.arg, name) for name in _names([default], scope))
        for metadata, where in _metadata(parameter.annotation, scope):
            yield from ((parameter.arg, name) for name in _names(metadata, where))


def listed_dependencies(node: ast.expr | None, scope: ModuleScope) -> Iterator[str]:
    """Yield the qualified names in ``dependencies=[Depends(...)]``; empty for one that is unknown.

    A mapping of operations does not concern the endpoints that users add.
    """
    if node is None or isinstance(node, ast.Dict):
        return
    if isinstance(node, ast.List | ast.Tuple):
        for element in node.elts:
            yield from _names([element], scope) if isinstance(element, ast.Call) else ("",)
        return
    name = scope.resolve(node)
    definition = scope.project.definition(name) if name else None
    statement = definition[0] if definition is not None else None
    if definition is not None and isinstance(statement, ast.Assign | ast.AnnAssign):
        if isinstance(statement.value, ast.List | ast.Tuple):
            yield from listed_dependencies(
                statement.value, ModuleScope(scope.project, definition[1])
            )
            return
    yield name


def with_indirect(project: Project, names: Iterable[str]) -> frozenset[str]:
    """Dependencies, with those that they depend on."""
    known: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        function = project.function(name) if name and name not in known else None
        known.add(name)
        if function is not None:
            scope = ModuleScope(project, function[1])
            waiting += (inner for _, inner in dependency_parameters(function[0], scope))
    return frozenset(known)


def _names(nodes: Iterable[ast.expr], scope: ModuleScope) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Call) and scope.resolve(node.func) in lib.DEPENDS and node.args:
            yield scope.resolve(node.args[0])


def _metadata(
    node: ast.expr | None, scope: ModuleScope, depth: int = 0
) -> Iterator[tuple[list[ast.expr], ModuleScope]]:
    """Yield the metadata of ``Annotated``, with the module in which a type alias has it."""
    if depth > DEPTH:
        return
    match node:
        case ast.Constant(value=str(text)):
            yield from _metadata(parse_expression(text), scope, depth + 1)
        case ast.BinOp(left=left, right=right):
            yield from _metadata(left, scope, depth + 1)
            yield from _metadata(right, scope, depth + 1)
        case ast.Subscript(slice=ast.Tuple(elts=[inner, *metadata])):
            yield metadata, scope
            yield from _metadata(inner, scope, depth + 1)
        case ast.Name() | ast.Attribute():
            alias = scope.alias(scope.resolve(node))
            if alias is not None:
                yield from _metadata(*alias, depth + 1)
