"""Evaluates expressions in the current state of a flow."""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from colonnade.lint.inference import _calls as calls
from colonnade.lint.inference import _name_inference as name_inference
from colonnade.lint.inference._flow import Flow, Inference, Read
from colonnade.lint.inference._paths import dotted_name, root_name
from colonnade.lint.inference._values import Kind, Value, collection_of, loop_item, merge_values
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._models import Model, Relation
from colonnade.lint.project._module_summary import absolute_import
from colonnade.lint.project._modules import Function, parameters

SQL_SIDES = frozenset({Kind.COLUMN, Kind.RELATION})
SQL_OPERATORS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
PROPERTIES = frozenset({"property", "cached_property", "computed_field"})


def evaluate(flow: Flow, node: ast.expr) -> Value | None:
    """Infer the value of an expression and record it in the flow."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                evaluate(flow, child)
        return None
    inferred = handler(flow, node)
    if inferred is not None:
        flow.values[node] = inferred
    return inferred


def infer_entered(inference: Inference, value: Value | None, *, is_async: bool) -> Value | None:
    """The value after ``as`` in a ``with`` statement."""
    if value is None:
        return None
    if value.kind is Kind.CONTEXT:
        if value.name == lib.DATABASE:
            name = lib.SQLMODEL_ASYNC_SESSION if is_async else lib.SQLMODEL_SESSION
            return Value(Kind.INSTANCE, name, expires=False)
        return value.item
    if value.kind is Kind.INSTANCE:
        method = "__aenter__" if is_async else "__enter__"
        enter_method = inference.project.method(value.name, method)
        return (
            name_inference.infer_return(inference, *enter_method)
            if enter_method is not None
            else value
        )
    return None


def bind(
    flow: Flow, target: ast.expr, inferred: Value | None, value: ast.expr | None = None
) -> None:
    """Assign a value to a target."""
    state = flow.state
    match target:
        case ast.Name(id=name):
            since = state.expired.get(root_name(value)) if value is not None else None
            flow.forget(name)
            state.names[name] = inferred
            if (
                since is not None
                and inferred is not None
                and inferred.kind in (Kind.ROW, Kind.COLLECTION)
            ):
                state.expired[name] = since
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element in elements:
                bind(flow, element, None)
        case ast.Starred(value=inner):
            bind(flow, inner, None)
        case ast.Attribute():
            evaluate(flow, target.value)
            path = dotted_name(target)
            if path:
                state.names[path] = inferred
                state.loaded.add((path.rpartition(".")[0], target.attr))
        case ast.Subscript():
            evaluate(flow, target)


def bind_loop_variable(
    flow: Flow, target: ast.expr, iterable: Value | None, source: ast.expr
) -> None:
    item = loop_item(iterable)
    name = loop_source(source)
    flow.state.names.setdefault(name, iterable)  # an unnamed iterable expires like a named one
    bind(flow, target, item)
    if isinstance(target, ast.Name):
        flow.state.loop_sources[target.id] = name
        if name in flow.state.expired and item is not None and item.kind is Kind.ROW:
            flow.state.expired[target.id] = flow.state.expired[name]


def loop_source(source: ast.expr) -> str:
    """The name of a loop's iterable, or a made-up name for an expression."""
    return root_name(source) or f"<line {source.lineno}, {source.col_offset}>"


def bind_parameters(flow: Flow, node: Function) -> None:
    """Infer each parameter from its annotation, its default or a pytest fixture."""
    owner = flow.scope.module.owning_class(node)
    for number, (parameter, default) in enumerate(parameters(node)):
        inferred = name_inference.infer_annotation(flow.inference, flow.scope, parameter.annotation)
        if default is not None:
            depends = name_inference.infer_depends(flow.inference, flow.scope, default)
            inferred = inferred if depends is None else _prefer_dependency(inferred, depends)
        if number == 0 and owner is not None and parameter.annotation is None:
            inferred = Value(Kind.INSTANCE, flow.scope.module.qualified_name(owner))
        if inferred is None and parameter.annotation is None:
            inferred = name_inference.infer_fixture(flow.inference, flow.scope, node, parameter.arg)
        flow.state.names[parameter.arg] = inferred


def bind_imports(flow: Flow, node: ast.Import | ast.ImportFrom) -> None:
    """Bind the names that an import inside a function defines."""
    module, inference = flow.scope.module, flow.inference
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                flow.state.names[alias.asname] = name_inference.infer_import(
                    inference, alias.name, module.name
                )
        return
    package = inference.project.names.package(module.name)
    source = absolute_import("." * node.level + (node.module or ""), package)
    for alias in node.names:
        inferred = name_inference.infer_import(inference, f"{source}.{alias.name}", module.name)
        flow.state.names[alias.asname or alias.name] = inferred


def _prefer_dependency(inferred: Value | None, depends: Value) -> Value:
    """The annotated value if it contradicts the dependency, else the dependency's value."""
    return inferred if inferred is not None and inferred.kind is not depends.kind else depends


def _evaluate_name(flow: Flow, node: ast.Name) -> Value | None:
    if isinstance(node.ctx, ast.Load):
        current: Flow | None = flow
        while current is not None:
            if node.id in current.state.names:
                return current.state.names[node.id]
            current = current.outer
        return name_inference.infer_symbol(flow.inference, flow.scope, node)
    return None


def _evaluate_attribute(flow: Flow, node: ast.Attribute) -> Value | None:
    path = dotted_name(node)
    receiver = evaluate(flow, node.value)
    if path and (inferred := flow.lookup(path)) is not None:
        return inferred
    if receiver is None:
        return None
    if receiver.kind is Kind.SYMBOL:
        model = flow.scope.project.model(receiver.name)
        if model is not None:
            return name_inference.infer_member(model, node.attr)
        return name_inference.infer_name(flow.inference, f"{receiver.name}.{node.attr}")
    if receiver.kind is Kind.INSTANCE:
        return name_inference.infer_attribute(flow.inference, receiver, node.attr)
    if receiver.kind is Kind.ROW and isinstance(node.ctx, ast.Load):
        return _read_attribute(flow, node, receiver)
    return None


def _read_attribute(flow: Flow, node: ast.Attribute, row: Value) -> Value | None:
    """Infer an attribute of a row, and record the read if it needs the database."""
    model = row.model
    if model is None:
        return None
    if node.attr not in model.members:
        _read_property(flow, node, row, model)
        return None
    expired = flow.state.expired.get(root_name(node.value))
    relation = model.relations.get(node.attr)
    lazy = relation is not None and expired is None and _is_lazy(flow, node, row, relation)
    if expired is not None or lazy:
        flow.reads[node] = Read(node, row, node.attr, expired, lazy)
    else:
        flow.reads.pop(node, None)
    if relation is None:
        return None
    return _related_row(flow, row, relation.target, node.attr, is_many=relation.uselist)


def _read_property(flow: Flow, node: ast.Attribute, row: Value, model: Model) -> None:
    """Record the read of a relation inside of a property of a row's class."""
    method = flow.scope.project.method(model.name, node.attr)
    if method is None or not any(
        dotted_name(decorator).rpartition(".")[2] in PROPERTIES
        for decorator in method[0].decorator_list
    ):
        return
    flow.reads.pop(node, None)
    for inner in ast.walk(method[0]):
        if isinstance(inner, ast.Attribute) and dotted_name(inner.value) == "self":
            relation = model.relations.get(inner.attr)
            if relation is not None and _is_lazy(flow, node, row, relation):
                flow.reads[node] = Read(node, row, relation.name, lazy=True)
                return


def _is_lazy(flow: Flow, node: ast.Attribute, row: Value, relation: Relation) -> bool:
    """Whether a read of a relation of a row asks the database."""
    name = dotted_name(node.value) or root_name(node.value)
    return (
        row.attached
        and row.loads is not None
        and relation.is_lazy
        and relation.name not in row.loads
        and (name, relation.name) not in flow.state.loaded
        and not (not relation.uselist and _is_row_loaded(flow, relation.target))
    )


def _is_row_loaded(flow: Flow, target: str) -> bool:
    """Whether a row of a model was loaded before; the session then need not load it again."""
    for inferred in flow.state.names.values():
        row = (
            inferred.item if inferred is not None and inferred.kind is Kind.COLLECTION else inferred
        )
        if row is not None and row.kind is Kind.ROW and row.attached and row.model is not None:
            if row.model.name == target:
                return True
    return False


def _related_row(flow: Flow, row: Value, target: str, name: str, *, is_many: bool) -> Value | None:
    model = flow.scope.project.model(target)
    if model is None:
        return None
    loads = None
    if row.loads is not None:
        loads = frozenset(
            path[len(name) + 1 :] for path in row.loads if path.startswith(f"{name}.")
        )
    related = replace(row, model=model, loads=loads, item=None)
    return collection_of(related) if is_many else related


def _evaluate_call(flow: Flow, node: ast.Call) -> Value | None:
    function = evaluate(flow, node.func)
    for argument in node.args:
        evaluate(flow, argument)
    for keyword in node.keywords:
        evaluate(flow, keyword.value)
    return calls.infer_call(flow, node, function)


def _evaluate_await(flow: Flow, node: ast.Await) -> Value | None:
    inferred = evaluate(flow, node.value)
    return inferred.item if inferred is not None and inferred.kind is Kind.AWAITABLE else inferred


def _evaluate_subscript(flow: Flow, node: ast.Subscript) -> Value | None:
    inferred = evaluate(flow, node.value)
    evaluate(flow, node.slice)
    if inferred is not None and inferred.kind is Kind.COLLECTION:
        return inferred if isinstance(node.slice, ast.Slice) else inferred.item
    return inferred if inferred is not None and inferred.kind is Kind.SYMBOL else None


def _evaluate_items(flow: Flow, node: ast.List | ast.Tuple | ast.Set) -> Value | None:
    values = [evaluate(flow, element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return None
    inferred: Value | None = None
    for value in values:
        inferred = merge_values(inferred, value)
    return collection_of(inferred) if inferred is not None else None


def _evaluate_comprehension(
    flow: Flow, node: ast.ListComp | ast.SetComp | ast.GeneratorExp
) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    _bind_generators(flow, node.generators)
    inferred = evaluate(flow, node.elt)
    flow.state = saved
    return collection_of(inferred) if inferred is not None else None


def _evaluate_dict_comprehension(flow: Flow, node: ast.DictComp) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    _bind_generators(flow, node.generators)
    evaluate(flow, node.key)
    evaluate(flow, node.value)
    flow.state = saved
    return None


def _bind_generators(flow: Flow, generators: list[ast.comprehension]) -> None:
    for generator in generators:
        iterable = evaluate(flow, generator.iter)
        bind_loop_variable(flow, generator.target, iterable, generator.iter)
        for test in generator.ifs:
            evaluate(flow, test)


def _evaluate_lambda(flow: Flow, node: ast.Lambda) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    for argument in node.args.args:
        flow.state.names[argument.arg] = None
    evaluate(flow, node.body)
    flow.state = saved
    return None


def _evaluate_conditional(flow: Flow, node: ast.IfExp) -> Value | None:
    evaluate(flow, node.test)
    return merge_values(evaluate(flow, node.body), evaluate(flow, node.orelse))


def _evaluate_boolean(flow: Flow, node: ast.BoolOp) -> Value | None:
    inferred: Value | None = None
    for value in node.values:
        inferred = merge_values(inferred, evaluate(flow, value))
    return inferred


def _evaluate_named_expression(flow: Flow, node: ast.NamedExpr) -> Value | None:
    inferred = evaluate(flow, node.value)
    bind(flow, node.target, inferred, node.value)
    return inferred


def _evaluate_yield(flow: Flow, node: ast.Yield) -> Value | None:
    flow.yielded.append(evaluate(flow, node.value) if node.value is not None else None)
    return None


def _evaluate_constant(flow: Flow, node: ast.Constant) -> Value | None:
    return None


def _evaluate_compare(flow: Flow, node: ast.Compare) -> Value | None:
    sides = [evaluate(flow, side) for side in (node.left, *node.comparators)]
    is_sql = any(side is not None and side.kind in SQL_SIDES for side in sides)
    return Value(Kind.CONDITION) if is_sql and isinstance(node.ops[0], SQL_OPERATORS) else None


def _evaluate_starred(flow: Flow, node: ast.Starred) -> Value | None:
    return evaluate(flow, node.value)


_HANDLERS: dict[type[ast.expr], Callable[[Flow, Any], Value | None]] = {
    ast.Name: _evaluate_name,
    ast.Attribute: _evaluate_attribute,
    ast.Call: _evaluate_call,
    ast.Await: _evaluate_await,
    ast.Subscript: _evaluate_subscript,
    ast.List: _evaluate_items,
    ast.Tuple: _evaluate_items,
    ast.Set: _evaluate_items,
    ast.ListComp: _evaluate_comprehension,
    ast.SetComp: _evaluate_comprehension,
    ast.GeneratorExp: _evaluate_comprehension,
    ast.DictComp: _evaluate_dict_comprehension,
    ast.Lambda: _evaluate_lambda,
    ast.IfExp: _evaluate_conditional,
    ast.BoolOp: _evaluate_boolean,
    ast.NamedExpr: _evaluate_named_expression,
    ast.Yield: _evaluate_yield,
    ast.Constant: _evaluate_constant,
    ast.Compare: _evaluate_compare,
    ast.Starred: _evaluate_starred,
}
