"""Infers the values of names: globals, attributes, dependencies, fixtures and annotations."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from colonnade.lint.inference._flow import Inference
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.inference._values import Kind, Value, collection_of, merge_values
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._hints import TypeHint
from colonnade.lint.project._models import Model, Relation
from colonnade.lint.project._modules import Function, Module
from colonnade.lint.project._project import ModuleScope


def infer_symbol(inference: Inference, scope: ModuleScope, node: ast.Name) -> Value | None:
    """The value of a global or imported name."""
    return infer_name(inference, scope.resolve(node))


def infer_import(inference: Inference, path: str, near: str) -> Value | None:
    """The value of a dotted path that is imported inside a function."""
    return infer_name(inference, inference.project.names.imported(path, near))


def infer_name(inference: Inference, name: str) -> Value | None:
    """The value of a qualified name in the project or in a library."""
    definition = inference.project.definition(name)
    if definition is None:
        return Value(Kind.SYMBOL, lib.canonical(name)) if name else None
    statement, module = definition
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return Value(Kind.SYMBOL, name, node=statement)
    flow = inference.flow(module.tree, module)
    if flow is None:
        return None
    return flow.state.names.get(name[len(module.name) + 1 :])


def infer_member(model: Model, name: str) -> Value | None:
    """The value of an attribute of a model's class, such as ``Task.title``."""
    member = model.members.get(name)
    if member is None or not model.is_table:
        return None
    return Value(Kind.RELATION if isinstance(member, Relation) else Kind.COLUMN, name, model=model)


def infer_attribute(inference: Inference, receiver: Value, name: str) -> Value | None:
    """The value of an attribute of an instance."""
    if receiver.name == lib.DATABASE:
        return Value(Kind.SYMBOL, f"{lib.DATABASE}.{name}")
    if receiver.name not in inference.project.names.bases:
        return None
    for owner in (receiver.name, *inference.project.ancestry(receiver.name)):
        definition = inference.project.definition(owner)
        if definition is None or not isinstance(definition[0], ast.ClassDef):
            continue
        inferred = _infer_class_attribute(inference, owner, definition[0], definition[1], name)
        if inferred is not None:
            return inferred
    return None


def _infer_class_attribute(
    inference: Inference, owner: str, node: ast.ClassDef, module: Module, name: str
) -> Value | None:
    scope = ModuleScope(inference.project, module)
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if statement.name == name:
                if any(
                    dotted_name(decorator) == "property" for decorator in statement.decorator_list
                ):
                    return infer_return(inference, statement, module)
                return Value(Kind.SYMBOL, f"{owner}.{name}", node=statement)
            if statement.name in ("__init__", "__aenter__", "__enter__"):
                flow = inference.flow(statement, module)
                inferred = flow.state.names.get(f"self.{name}") if flow is not None else None
                if inferred is not None:
                    return inferred
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if statement.target.id == name:
                return infer_annotation(inference, scope, statement.annotation)
    return None


def infer_depends(inference: Inference, scope: ModuleScope, node: ast.expr) -> Value | None:
    """The value of a parameter whose default is ``Depends(...)``."""
    if not isinstance(node, ast.Call) or scope.resolve(node.func) not in lib.DEPENDS:
        return None
    return infer_dependency(inference, scope.resolve(node.args[0])) if node.args else None


def infer_dependency(inference: Inference, name: str) -> Value | None:
    """The value that a dependency provides."""
    if name in inference.dependency_values:
        return inference.dependency_values[name]
    inference.dependency_values[name] = None  # in case it depends on itself
    database, _, method = name.rpartition(".")
    if method in ("get_session", "get_async_session"):
        instance = infer_name(inference, database)
        if instance is not None and instance.is_instance({lib.DATABASE}):
            kind = lib.SQLMODEL_SESSION if method == "get_session" else lib.SQLMODEL_ASYNC_SESSION
            inference.dependency_values[name] = Value(Kind.INSTANCE, kind, expires=False)
            return inference.dependency_values[name]
    function = inference.project.function(name)
    if function is not None:
        inferred = infer_return(inference, *function)
        if inferred is not None and inferred.kind is Kind.AWAITABLE:
            inferred = inferred.item
        inference.dependency_values[name] = inferred
    else:
        inferred = infer_name(inference, name)
        if inferred is not None and inferred.kind is Kind.FACTORY:
            inference.dependency_values[name] = inferred.item
    return inference.dependency_values[name]


def infer_return(inference: Inference, node: Function, module: Module) -> Value | None:
    """The value that a function returns or yields, not yet awaited."""
    flow = inference.flow(node, module)
    inferred: Value | None = None
    if flow is not None:
        for value in flow.yielded or flow.returned:
            inferred = merge_values(inferred, value)
    if inferred is None:
        hint = ModuleScope(inference.project, module).hint(node.returns)
        inferred = infer_hint(inference, ModuleScope(inference.project, module), hint)
        if (
            inferred is not None
            and flow is not None
            and flow.yielded
            and inferred.kind is Kind.COLLECTION
        ):
            inferred = inferred.item  # Iterator[Session]
    if inferred is not None and inferred.kind is Kind.INSTANCE and inferred.expires is None:
        inferred = replace(inferred, node=None)
    return inferred


def infer_fixture(
    inference: Inference, scope: ModuleScope, node: Function, name: str
) -> Value | None:
    """The value of a test's or fixture's parameter: that of the fixture with its name."""
    if not (node.name.startswith("test") or is_fixture(node)):
        return None
    for module in _fixtures(scope):
        statement = module.definitions.get(name)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement is not node:
            if is_fixture(statement):
                return infer_return(inference, statement, module)
    return None


def is_fixture(node: Function) -> bool:
    """Whether a function is a pytest fixture."""
    return any(
        dotted_name(decorator.func if isinstance(decorator, ast.Call) else decorator).endswith(
            "fixture"
        )
        for decorator in node.decorator_list
    )


def _fixtures(scope: ModuleScope) -> Iterator[Module]:
    yield scope.module
    parts = scope.module.name.split(".")
    for size in range(len(parts) - 1, -1, -1):
        module = scope.project.module(".".join([*parts[:size], "conftest"]))
        if module is not None and module is not scope.module:
            yield module


def infer_annotation(
    inference: Inference, scope: ModuleScope, node: ast.expr | None
) -> Value | None:
    """The value of a name with an annotation."""
    return infer_hint(inference, scope, scope.hint(node)) if node is not None else None


def infer_hint(inference: Inference, scope: ModuleScope, hint: TypeHint) -> Value | None:
    """The value that a type hint describes."""
    for item in hint.metadata:
        if isinstance(item, ast.Call) and scope.resolve(item.func) in lib.DEPENDS and item.args:
            inferred = infer_dependency(inference, scope.resolve(item.args[0]))
            if inferred is not None:
                return inferred
    inferred = infer_instance(scope, hint.name)
    return collection_of(inferred) if hint.collection and inferred is not None else inferred


def infer_instance(scope: ModuleScope, name: str) -> Value | None:
    """An instance of the class with a qualified name."""
    if not name:
        return None
    if name == lib.SESSIONMAKER:
        return Value(Kind.FACTORY, item=None)
    if name == lib.ASYNC_SESSIONMAKER:
        return Value(Kind.FACTORY, item=Value(Kind.INSTANCE, lib.ASYNC_SESSION))
    model = scope.project.model(name)
    if model is not None and model.is_table:
        return Value(Kind.ROW, model=model, loads=None)
    return Value(Kind.INSTANCE, name)
