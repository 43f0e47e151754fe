"""What names give: of a module, of a class, of a dependency, of a fixture."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from colonnade.lint.inference._flow import Inference
from colonnade.lint.inference._paths import dotted
from colonnade.lint.inference._values import Kind, Value, joined, many
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import Hint
from colonnade.lint.project._models import Model, Relation
from colonnade.lint.project._modules import Function, Module
from colonnade.lint.project._project import ModuleScope


def symbol(inference: Inference, place: ModuleScope, node: ast.Name) -> Value | None:
    """What a name of a module, or of what it imports, holds."""
    return named(inference, place.meaning(node))


def imported(inference: Inference, path: str, near: str) -> Value | None:
    """What a dotted path holds that a function of a module imports."""
    return named(inference, inference.project.names.imported(path, near))


def named(inference: Inference, name: str) -> Value | None:
    """What something of the project or of a library holds, by its one name."""
    found = inference.project.definition(name)
    if found is None:
        return Value(Kind.SYMBOL, lib.canonical(name)) if name else None
    statement, module = found
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return Value(Kind.SYMBOL, name, node=statement)
    flow = inference.flow(module.tree, module)
    if flow is None:
        return None
    return flow.state.names.get(name[len(module.name) + 1 :])


def member(model: Model, name: str) -> Value | None:
    """What an attribute of a model's class is."""
    one = model.members.get(name)
    if one is None or not model.table:
        return None
    return Value(Kind.RELATION if isinstance(one, Relation) else Kind.COLUMN, name, model=model)


def attribute(inference: Inference, receiver: Value, name: str) -> Value | None:
    """What an attribute of an instance holds."""
    if receiver.name == lib.DATABASE:
        return Value(Kind.SYMBOL, f"{lib.DATABASE}.{name}")
    if receiver.name not in inference.project.names.bases:
        return None
    for owner in (receiver.name, *inference.project.ancestry(receiver.name)):
        found = inference.project.definition(owner)
        if found is None or not isinstance(found[0], ast.ClassDef):
            continue
        held = _of_class(inference, owner, found[0], found[1], name)
        if held is not None:
            return held
    return None


def _of_class(
    inference: Inference, owner: str, node: ast.ClassDef, module: Module, name: str
) -> Value | None:
    place = ModuleScope(inference.project, module)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if statement.name == name:
                if any(dotted(one) == "property" for one in statement.decorator_list):
                    return returned(inference, statement, module)
                return Value(Kind.SYMBOL, f"{owner}.{name}", node=statement)
            if statement.name in ("__init__", "__aenter__", "__enter__"):
                flow = inference.flow(statement, module)
                held = flow.state.names.get(f"self.{name}") if flow is not None else None
                if held is not None:
                    return held
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.target.id == name:
                return of_hint(inference, place, statement.annotation)
    return None


def dependency(inference: Inference, place: ModuleScope, node: ast.expr) -> Value | None:
    """What ``Depends(...)`` gives, as a default."""
    if not isinstance(node, ast.Call) or place.meaning(node.func) not in lib.DEPENDS:
        return None
    return given(inference, place.meaning(node.args[0])) if node.args else None


def given(inference: Inference, name: str) -> Value | None:
    """What a dependency gives to who depends on it."""
    if name in inference.dependency_values:
        return inference.dependency_values[name]
    inference.dependency_values[name] = None  # one that depends on itself
    database, _, method = name.rpartition(".")
    if method in ("get_session", "get_async_session"):
        found = named(inference, database)
        if found is not None and found.is_instance({lib.DATABASE}):
            kind = lib.SQLMODEL_SESSION if method == "get_session" else lib.SQLMODEL_ASYNC_SESSION
            inference.dependency_values[name] = Value(Kind.INSTANCE, kind, expires=False)
            return inference.dependency_values[name]
    function = inference.project.function(name)
    if function is not None:
        held = returned(inference, *function)
        if held is not None and held.kind is Kind.AWAITABLE:
            held = held.item
        inference.dependency_values[name] = held
    else:
        held = named(inference, name)
        if held is not None and held.kind is Kind.FACTORY:
            inference.dependency_values[name] = held.item
    return inference.dependency_values[name]


def returned(inference: Inference, node: Function, module: Module) -> Value | None:
    """What a function returns or yields, not yet awaited."""
    flow = inference.flow(node, module)
    held: Value | None = None
    if flow is not None:
        for value in flow.yielded or flow.returned:
            held = joined(held, value)
    if held is None:
        hint = ModuleScope(inference.project, module).hint(node.returns)
        held = of_read_hint(inference, ModuleScope(inference.project, module), hint)
        if held is not None and flow is not None and flow.yielded and held.kind is Kind.MANY:
            held = held.item  # Iterator[Session]
    if held is not None and held.kind is Kind.INSTANCE and held.expires is None:
        held = replace(held, node=None)
    return held


def fixture(inference: Inference, place: ModuleScope, node: Function, name: str) -> Value | None:
    """What a parameter of a test or a fixture holds: what the fixture of that name gives."""
    if not (node.name.startswith("test") or is_fixture(node)):
        return None
    for module in _fixtures(place):
        statement = module.definitions.get(name)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement is not node:
            if is_fixture(statement):
                return returned(inference, statement, module)
    return None


def is_fixture(node: Function) -> bool:
    """Whether a function is a fixture of pytest's."""
    return any(
        dotted(one.func if isinstance(one, ast.Call) else one).endswith("fixture")
        for one in node.decorator_list
    )


def _fixtures(place: ModuleScope) -> Iterator[Module]:
    yield place.module
    parts = place.module.name.split(".")
    for size in range(len(parts) - 1, -1, -1):
        module = place.project.module(".".join([*parts[:size], "conftest"]))
        if module is not None and module is not place.module:
            yield module


def of_hint(inference: Inference, place: ModuleScope, node: ast.expr | None) -> Value | None:
    """What a name with an annotation holds."""
    return of_read_hint(inference, place, place.hint(node)) if node is not None else None


def of_read_hint(inference: Inference, place: ModuleScope, hint: Hint) -> Value | None:
    """What is annotated so."""
    for item in hint.metadata:
        if isinstance(item, ast.Call) and place.meaning(item.func) in lib.DEPENDS and item.args:
            held = given(inference, place.meaning(item.args[0]))
            if held is not None:
                return held
    held = of_name(place, hint.name)
    return many(held) if hint.many and held is not None else held


def of_name(place: ModuleScope, name: str) -> Value | None:
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
