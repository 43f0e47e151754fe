"""What names give: of a module, of a class, of a dependency, of a fixture."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from colonnade.lint.inference._expressions import dotted
from colonnade.lint.inference._state import FlowProject, FlowScope
from colonnade.lint.inference._values import Kind, Value, joined, many
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import Hint
from colonnade.lint.project._models import Model, Relation
from colonnade.lint.project._modules import Function, Module


def symbol(place: FlowScope, node: ast.Name) -> Value | None:
    """What a name of a module, or of what it imports, holds."""
    return named(place.project, place.meaning(node))


def imported(project: FlowProject, path: str, near: str) -> Value | None:
    """What a dotted path holds that a function of a module imports."""
    return named(project, project.names.imported(path, near))


def named(project: FlowProject, name: str) -> Value | None:
    """What something of the project or of a library holds, by its one name."""
    definition = project.definition(name)
    if definition is None:
        return Value(Kind.SYMBOL, lib.canonical(name)) if name else None
    statement, module = definition
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return Value(Kind.SYMBOL, name, node=statement)
    flow = project.flow(module.tree, module)
    if flow is None:
        return None
    return flow.state.names.get(name[len(module.name) + 1 :])


def member(model: Model, name: str) -> Value | None:
    """What an attribute of a model's class is."""
    declared = model.members.get(name)
    if declared is None or not model.table:
        return None
    return Value(
        Kind.RELATION if isinstance(declared, Relation) else Kind.COLUMN, name, model=model
    )


def attribute(project: FlowProject, receiver: Value, name: str) -> Value | None:
    """What an attribute of an instance holds."""
    if receiver.name == lib.DATABASE:
        return Value(Kind.SYMBOL, f"{lib.DATABASE}.{name}")
    if receiver.name not in project.names.bases:
        return None
    for owner in (receiver.name, *project.ancestry(receiver.name)):
        definition = project.definition(owner)
        if definition is None or not isinstance(definition[0], ast.ClassDef):
            continue
        held = _of_class(project, owner, definition[0], definition[1], name)
        if held is not None:
            return held
    return None


def _of_class(
    project: FlowProject, owner: str, node: ast.ClassDef, module: Module, name: str
) -> Value | None:
    place = project.scope(module)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if statement.name == name:
                if any(dotted(decorator) == "property" for decorator in statement.decorator_list):
                    return returned(project, statement, module)
                return Value(Kind.SYMBOL, f"{owner}.{name}", node=statement)
            if statement.name in ("__init__", "__aenter__", "__enter__"):
                flow = project.flow(statement, module)
                held = flow.state.names.get(f"self.{name}") if flow is not None else None
                if held is not None:
                    return held
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.target.id == name:
                return of_hint(place, statement.annotation)
    return None


def dependency(place: FlowScope, node: ast.expr) -> Value | None:
    """What ``Depends(...)`` gives, as a default."""
    if not isinstance(node, ast.Call) or place.meaning(node.func) not in lib.DEPENDS:
        return None
    return dependency_value(place.project, place.meaning(node.args[0])) if node.args else None


def dependency_value(project: FlowProject, name: str) -> Value | None:
    """What a dependency gives to who depends on it."""
    if name in project.inferred_values:
        return project.inferred_values[name]
    project.inferred_values[name] = None  # one that depends on itself
    database, _, method = name.rpartition(".")
    if method in ("get_session", "get_async_session"):
        instance = named(project, database)
        if instance is not None and instance.is_instance({lib.DATABASE}):
            kind = lib.SQLMODEL_SESSION if method == "get_session" else lib.SQLMODEL_ASYNC_SESSION
            project.inferred_values[name] = Value(Kind.INSTANCE, kind, expires=False)
            return project.inferred_values[name]
    function = project.function(name)
    if function is not None:
        held = returned(project, *function)
        if held is not None and held.kind is Kind.AWAITABLE:
            held = held.item
        project.inferred_values[name] = held
    else:
        held = named(project, name)
        if held is not None and held.kind is Kind.FACTORY:
            project.inferred_values[name] = held.item
    return project.inferred_values[name]


def returned(project: FlowProject, node: Function, module: Module) -> Value | None:
    """What a function returns or yields, not yet awaited."""
    flow = project.flow(node, module)
    held: Value | None = None
    if flow is not None:
        for value in flow.yielded or flow.returned:
            held = joined(held, value)
    if held is None:
        hint = project.scope(module).hint(node.returns)
        held = of_read_hint(project.scope(module), hint)
        if held is not None and flow is not None and flow.yielded and held.kind is Kind.MANY:
            held = held.item  # Iterator[Session]
    if held is not None and held.kind is Kind.INSTANCE and held.expires is None:
        held = replace(held, node=None)
    return held


def fixture(place: FlowScope, node: Function, name: str) -> Value | None:
    """What a parameter of a test or a fixture holds: what the fixture of that name gives."""
    if not (node.name.startswith("test") or is_fixture(node)):
        return None
    for module in _fixtures(place):
        statement = module.definitions.get(name)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement is not node:
            if is_fixture(statement):
                return returned(place.project, statement, module)
    return None


def is_fixture(node: Function) -> bool:
    """Whether a function is a fixture of pytest's."""
    return any(
        dotted(decorator.func if isinstance(decorator, ast.Call) else decorator).endswith("fixture")
        for decorator in node.decorator_list
    )


def _fixtures(place: FlowScope) -> Iterator[Module]:
    yield place.module
    parts = place.module.name.split(".")
    for size in range(len(parts) - 1, -1, -1):
        module = place.project.module(".".join([*parts[:size], "conftest"]))
        if module is not None and module is not place.module:
            yield module


def entered(place: FlowScope, value: Value | None, *, is_async: bool) -> Value | None:
    """What ``with ... as`` names."""
    if value is None:
        return None
    if value.kind is Kind.CONTEXT:
        if value.name == lib.DATABASE:
            name = lib.SQLMODEL_ASYNC_SESSION if is_async else lib.SQLMODEL_SESSION
            return Value(Kind.INSTANCE, name, expires=False)
        return value.item
    if value.kind is Kind.INSTANCE:
        method = "__aenter__" if is_async else "__enter__"
        function = place.project.method(value.name, method)
        return returned(place.project, *function) if function is not None else value
    return None


def of_hint(place: FlowScope, node: ast.expr | None) -> Value | None:
    """What a name with an annotation holds."""
    return of_read_hint(place, place.hint(node)) if node is not None else None


def of_read_hint(place: FlowScope, hint: Hint) -> Value | None:
    """What is annotated so."""
    for item in hint.metadata:
        if isinstance(item, ast.Call) and place.meaning(item.func) in lib.DEPENDS and item.args:
            held = dependency_value(place.project, place.meaning(item.args[0]))
            if held is not None:
                return held
    held = of_name(place, hint.name)
    return many(held) if hint.many and held is not None else held


def of_name(place: FlowScope, name: str) -> Value | None:
    """An instance of a class."""
    if not name:
        return None
    if name == lib.SESSIONMAKER:
        return Value(Kind.FACTORY, item=None)
    if name == lib.ASYNC_SESSIONMAKER:
        return Value(Kind.FACTORY, item=Value(Kind.INSTANCE, lib.ASYNC_SESSION))
    model = place.project.model(name)
    if model is not None and model.table:
        return Value(Kind.ROW, model=model, loads=None)
    return Value(Kind.INSTANCE, name)
