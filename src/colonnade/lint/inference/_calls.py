"""Infers the results of calls, from knowledge of the libraries or by reading the project."""

import ast
from collections.abc import Iterator
from dataclasses import replace

from colonnade.lint.inference._flow import Flow
from colonnade.lint.inference._name_inference import infer_return
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.inference._sessions import (
    AWAITED,
    infer_engine_call,
    infer_session_call,
    new_factory,
    new_session,
)
from colonnade.lint.inference._statements import (
    infer_loader_option,
    infer_result_call,
    infer_select,
    infer_statement_call,
)
from colonnade.lint.inference._values import (
    DETACHED,
    NO_RELATIONS,
    Kind,
    Value,
    awaitable,
    collection_of,
    loop_item,
    merge_paths,
)
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import Function, Module

CONNECTION_AWAITED = frozenset(
    {"execute", "scalar", "scalars", "commit", "rollback", "run_sync", "close", "exec_driver_sql"}
)
# Decorators that do not change the result of a function.
TRANSPARENT_DECORATORS = frozenset(
    {"staticmethod", "classmethod", "override", "wraps", "log", "abstractmethod", "overload"}
)
CONSTRUCTORS = frozenset(
    {"model_validate", "model_validate_json", "model_construct", "parse_obj", "from_orm"}
)
COPYING_BUILTINS = frozenset(
    {"list", "sorted", "tuple", "set", "reversed", "iter", "builtins.list"}
)


def infer_call(flow: Flow, node: ast.Call, function: Value | None) -> Value | None:
    """The result of a call; its effects are applied to the flow."""
    if function is not None and function.kind is Kind.SYMBOL:
        return _infer_symbol_call(flow, node, function)
    if function is not None and function.kind is Kind.FACTORY:
        return function.item
    if isinstance(node.func, ast.Attribute):
        receiver = flow.value(node.func.value)
        if receiver is not None and receiver.kind is Kind.SYMBOL:
            is_constructor = node.func.attr in CONSTRUCTORS
            return _infer_project_call(flow, node, receiver.name) if is_constructor else None
        if receiver is not None:
            return _infer_method_call(flow, node, node.func, receiver)
    return None


def _infer_symbol_call(flow: Flow, node: ast.Call, function: Value) -> Value | None:
    name = function.name
    library_value = _infer_library_call(flow, node, name)
    return library_value if library_value is not None else _infer_project_call(flow, node, name)


def _infer_library_call(flow: Flow, node: ast.Call, name: str) -> Value | None:
    options = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in lib.SESSIONS:
        return new_session(name, options, node)
    if name in (lib.SESSIONMAKER, lib.ASYNC_SESSIONMAKER):
        return new_factory(flow, name, options, node)
    if name == lib.SCOPED_SESSION or name.endswith("async_scoped_session"):
        return flow.value(node.args[0]) if node.args else None
    if name == lib.CREATE_ENGINE:
        return Value(Kind.INSTANCE, lib.ENGINE, node=node)
    if name == lib.CREATE_ASYNC_ENGINE:
        return Value(Kind.INSTANCE, lib.ASYNC_ENGINE, node=node)
    if name in (lib.FASTAPI, lib.API_ROUTER, lib.DATABASE, lib.METADATA):
        return Value(Kind.INSTANCE, name, node=node)
    if name == f"{lib.DATABASE}.session":
        return Value(Kind.CONTEXT, lib.DATABASE)
    if name in lib.SELECTS:
        return Value(Kind.STATEMENT, name, item=infer_select(flow, node), node=node)
    if name == lib.COL or name.endswith(".aliased"):
        return flow.value(node.args[0]) if node.args else None
    if name.startswith("sqlalchemy.orm.") and name.rpartition(".")[2] in lib.LOADERS:
        return infer_loader_option(flow, node, name.rpartition(".")[2], "")
    if name in COPYING_BUILTINS or name in ("asyncio.wait_for", "asyncio.shield"):
        return _infer_copy(flow, node, name)
    return None


def _infer_project_call(flow: Flow, node: ast.Call, name: str) -> Value | None:
    project = flow.scope.project
    model = project.model(name)
    if model is not None:
        return (
            Value(Kind.ROW, model=model, loads=NO_RELATIONS)
            if model.is_table
            else Value(Kind.INSTANCE, name)
        )
    called = project.called_function(name)
    if called is not None:
        return _infer_overloaded_call(flow, node, *called)
    if name in project.names.bases:
        return Value(Kind.INSTANCE, name)
    return None


def _infer_copy(flow: Flow, node: ast.Call, name: str) -> Value | None:
    inferred = flow.value(node.args[0]) if node.args else None
    if name.startswith("asyncio.") or inferred is None:
        return inferred
    item = loop_item(inferred)
    return collection_of(item) if item is not None else None


def _infer_overloaded_call(
    flow: Flow, node: ast.Call, function: Function, module: Module
) -> Value | None:
    """The result of a function of the project; unknown if its overloads differ."""
    definitions = flow.scope.project.overloads(function, module)
    first, *others = [
        _infer_function_call(flow, node, definition, module) for definition in definitions
    ]
    if all(other == first for other in others):
        return first
    kinds = {value.kind if value is not None else None for value in (first, *others)}
    return awaitable(None) if kinds == {Kind.AWAITABLE} else None


def _infer_function_call(
    flow: Flow, node: ast.Call, function: Function, module: Module
) -> Value | None:
    """The result of a function of the project; a commit in it is a commit of the caller."""
    for parameter, argument in arguments(function, node):
        if parameter in flow.inference.committed_parameters(function, module):
            flow.commit(node, dotted_name(argument))
        inferred = flow.value(argument)
        if inferred is not None and inferred.kind is Kind.ROW and isinstance(argument, ast.Name):
            flow.state.names[argument.id] = replace(inferred, loads=None, attached=False)
    inferred = infer_return(flow.inference, function, module)
    if inferred is None or inferred.kind in (Kind.STATEMENT, Kind.QUERY):
        inferred = _infer_extended_statement(flow, node, function) or inferred
    if inferred is not None and inferred.kind is Kind.ROW:
        inferred = _returned_row(flow, inferred, function, module)
    elif inferred is not None and inferred.kind is Kind.COLLECTION and inferred.item is not None:
        if inferred.item.kind is Kind.ROW:
            inferred = collection_of(_returned_row(flow, inferred.item, function, module))
    decorators = {
        dotted_name(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(
            "."
        )[2]
        for decorator in function.decorator_list
    }
    if decorators & {"contextmanager", "asynccontextmanager"}:
        return Value(Kind.CONTEXT, item=inferred)
    inner = flow.inference.flow(function, module)
    generates = inner is not None and bool(inner.yielded)
    if generates:
        return collection_of(inferred)
    if decorators - TRANSPARENT_DECORATORS:
        is_async = isinstance(function, ast.AsyncFunctionDef)
        return None if is_async or (inferred and inferred.kind is Kind.AWAITABLE) else inferred
    return awaitable(inferred) if isinstance(function, ast.AsyncFunctionDef) else inferred


def _returned_row(flow: Flow, row: Value, function: Function, module: Module) -> Value:
    """A row that a function returns: detached, if the function has ended its session."""
    inner = flow.inference.flow(function, module)
    ends_session = inner is not None and any(
        isinstance(item.optional_vars, ast.Name)
        and item.optional_vars.id == row.source
        and (session := inner.value(item.context_expr)) is not None
        and session.is_instance(lib.SESSIONS)
        and session.node is item.context_expr
        for block in ast.walk(function)
        if isinstance(block, ast.With | ast.AsyncWith)
        for item in block.items
    )
    if inner is None or inner.yielded or not ends_session or not row.attached:
        return replace(row, attached=False, loads=None)
    return replace(row, name=DETACHED)


def _infer_extended_statement(flow: Flow, node: ast.Call, function: Function) -> Value | None:
    """The statement that a function returns, if it calls methods of one that it receives."""
    returned = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)]
    if len(returned) != 1 or returned[0] is None:
        return None
    methods: list[ast.Call] = []
    inner: ast.expr = returned[0]
    while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
        methods.append(inner)
        inner = inner.func.value
    received = {name: flow.value(argument) for name, argument in arguments(function, node)}
    statement = received.get(inner.id) if isinstance(inner, ast.Name) else None
    if statement is None or statement.kind not in (Kind.STATEMENT, Kind.QUERY):
        return None
    for method in reversed(methods):
        name = method.func.attr if isinstance(method.func, ast.Attribute) else ""
        extended = infer_statement_call(flow, method, name, statement)
        if extended is None or extended.kind is not statement.kind:
            return None
        statement = extended
    return statement


def arguments(function: Function, node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield each argument of a call with the parameter that receives it."""
    names = [parameter.arg for parameter in (*function.args.posonlyargs, *function.args.args)]
    if names[:1] in (["self"], ["cls"]) and isinstance(node.func, ast.Attribute):
        names = names[1:]
    yield from zip(names, node.args, strict=False)
    yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)


def _infer_method_call(
    flow: Flow, node: ast.Call, func: ast.Attribute, receiver: Value
) -> Value | None:
    name = func.attr
    match receiver.kind:
        case Kind.INSTANCE if receiver.name in lib.SESSIONS:
            inferred = infer_session_call(flow, node, func, receiver)
            if receiver.name in lib.ASYNC_SESSIONS and name in AWAITED:
                return awaitable(inferred)
            return inferred
        case Kind.INSTANCE if receiver.name in (lib.ENGINE, lib.ASYNC_ENGINE):
            return infer_engine_call(receiver, name)
        case Kind.INSTANCE if receiver.name == lib.ASYNC_CONNECTION:
            return awaitable(None) if name in CONNECTION_AWAITED else None
        case Kind.FACTORY if name == "begin" and receiver.item is not None:
            return Value(Kind.CONTEXT, item=receiver.item, source="?")
        case Kind.STATEMENT | Kind.QUERY:
            return infer_statement_call(flow, node, name, receiver)
        case Kind.ROWS | Kind.TUPLES:
            return infer_result_call(name, receiver)
        case Kind.OPTION if name in lib.LOADERS:
            chained = infer_loader_option(flow, node, name, receiver.name)
            return replace(chained, loads=merge_paths(receiver.loads, chained.loads))
        case Kind.COLLECTION if name in ("copy", "pop"):
            return receiver if name == "copy" else receiver.item
        case Kind.COLLECTION if name == "append" and isinstance(func.value, ast.Name):
            return None
        case Kind.COLUMN if name in ("desc", "asc", "label", "nulls_last", "nulls_first"):
            return receiver
        case _:
            return None
