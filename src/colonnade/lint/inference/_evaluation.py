"""What an expression holds, given what is known where it stands."""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from colonnade.lint.inference import _calls as calls
from colonnade.lint.inference import _name_inference as giving
from colonnade.lint.inference._flow import Flow, Inference, Read
from colonnade.lint.inference._paths import dotted, root
from colonnade.lint.inference._values import Kind, Value, collection_of, iterated, merge_values
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._module_summary import absolute
from colonnade.lint.project._modules import Function, parameters


def evaluate(flow: Flow, node: ast.expr) -> Value | None:
    """What an expression holds; it is noted for the rules."""
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


def entered(inference: Inference, value: Value | None, *, is_async: bool) -> Value | None:
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
        found = inference.project.method(value.name, method)
        return giving.returned(inference, *found) if found is not None else value
    return None


def bind(
    flow: Flow, target: ast.expr, inferred: Value | None, value: ast.expr | None = None
) -> None:
    """Give a target what it holds from here on."""
    state = flow.state
    match target:
        case ast.Name(id=name):
            since = state.expired.get(root(value)) if value is not None else None
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
            path = dotted(target)
            if path:
                state.names[path] = inferred
                state.loaded.add((path.rpartition(".")[0], target.attr))
        case ast.Subscript():
            evaluate(flow, target)


def bind_loop_variable(flow: Flow, target: ast.expr, over: Value | None, source: ast.expr) -> None:
    item = iterated(over)
    name = source_name(source)
    flow.state.names.setdefault(name, over)  # what has no name expires like what has one
    bind(flow, target, item)
    if isinstance(target, ast.Name):
        flow.state.within[target.id] = name
        if name in flow.state.expired and item is not None and item.kind is Kind.ROW:
            flow.state.expired[target.id] = flow.state.expired[name]


def source_name(source: ast.expr) -> str:
    """The name of what a loop is over, which is made up for a call."""
    return root(source) or f"<line {source.lineno}, {source.col_offset}>"


def bind_parameters(flow: Flow, node: Function) -> None:
    """Give each parameter what its annotation, its default or a fixture says."""
    owner = flow.scope.module.owning_class(node)
    for number, (name, default) in enumerate(parameters(node)):
        inferred = giving.of_hint(flow.inference, flow.scope, name.annotation)
        if default is not None:
            depends = giving.dependency(flow.inference, flow.scope, default)
            inferred = inferred if depends is None else _narrowed(inferred, depends)
        if number == 0 and owner is not None and name.annotation is None:
            inferred = Value(Kind.INSTANCE, flow.scope.module.qualified_name(owner))
        if inferred is None and name.annotation is None:
            inferred = giving.fixture(flow.inference, flow.scope, node, name.arg)
        flow.state.names[name.arg] = inferred


def bind_imports(flow: Flow, node: ast.Import | ast.ImportFrom) -> None:
    """Give the names that a function imports what they mean."""
    module, inference = flow.scope.module, flow.inference
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                flow.state.names[alias.asname] = giving.imported(inference, alias.name, module.name)
        return
    package = inference.project.names.package(module.name)
    source = absolute("." * node.level + (node.module or ""), package)
    for alias in node.names:
        inferred = giving.imported(inference, f"{source}.{alias.name}", module.name)
        flow.state.names[alias.asname or alias.name] = inferred


def _narrowed(inferred: Value | None, depends: Value) -> Value:
    """An annotation that is wrong about its dependency is a hint no more than the other."""
    return inferred if inferred is not None and inferred.kind is not depends.kind else depends


def _name(flow: Flow, node: ast.Name) -> Value | None:
    if isinstance(node.ctx, ast.Load):
        current: Flow | None = flow
        while current is not None:
            if node.id in current.state.names:
                return current.state.names[node.id]
            current = current.outer
        return giving.symbol(flow.inference, flow.scope, node)
    return None


def _attribute(flow: Flow, node: ast.Attribute) -> Value | None:
    path = dotted(node)
    receiver = evaluate(flow, node.value)
    if path and (inferred := flow.lookup(path)) is not None:
        return inferred
    if receiver is None:
        return None
    if receiver.kind is Kind.SYMBOL:
        model = flow.scope.project.model(receiver.name)
        if model is not None:
            return giving.member(model, node.attr)
        return giving.named(flow.inference, f"{receiver.name}.{node.attr}")
    if receiver.kind is Kind.INSTANCE:
        return giving.attribute(flow.inference, receiver, node.attr)
    if receiver.kind is Kind.ROW and isinstance(node.ctx, ast.Load):
        return _read(flow, node, receiver)
    return None


def _read(flow: Flow, node: ast.Attribute, row: Value) -> Value | None:
    """A row's attribute is read."""
    model = row.model
    member = model.members.get(node.attr) if model is not None else None
    if model is None or member is None:
        return None
    name = dotted(node.value) or root(node.value)
    expired = flow.state.expired.get(root(node.value))
    relation = model.relations.get(node.attr)
    lazy = (
        relation is not None
        and expired is None
        and row.attached
        and row.loads is not None
        and relation.is_lazy
        and node.attr not in row.loads
        and (name, node.attr) not in flow.state.loaded
        and not (not relation.uselist and _holds(flow, relation.target))
    )
    if expired is not None or lazy:
        flow.reads[node] = Read(node, row, node.attr, expired, lazy)
    else:
        flow.reads.pop(node, None)
    if relation is None:
        return None
    return _related(flow, row, relation.target, node.attr, is_many=relation.uselist)


def _holds(flow: Flow, target: str) -> bool:
    """Whether a row of a model was loaded already: the session then has it without asking."""
    for inferred in flow.state.names.values():
        one = (
            inferred.item if inferred is not None and inferred.kind is Kind.COLLECTION else inferred
        )
        if one is not None and one.kind is Kind.ROW and one.attached and one.model is not None:
            if one.model.name == target:
                return True
    return False


def _related(flow: Flow, row: Value, target: str, name: str, *, is_many: bool) -> Value | None:
    model = flow.scope.project.model(target)
    if model is None:
        return None
    loads = None
    if row.loads is not None:
        loads = frozenset(
            path[len(name) + 1 :] for path in row.loads if path.startswith(f"{name}.")
        )
    one = replace(row, model=model, loads=loads, item=None)
    return collection_of(one) if is_many else one


def _call(flow: Flow, node: ast.Call) -> Value | None:
    function = evaluate(flow, node.func)
    for argument in node.args:
        evaluate(flow, argument)
    for keyword in node.keywords:
        evaluate(flow, keyword.value)
    return calls.called(flow, node, function)


def _await(flow: Flow, node: ast.Await) -> Value | None:
    inferred = evaluate(flow, node.value)
    return inferred.item if inferred is not None and inferred.kind is Kind.AWAITABLE else inferred


def _subscript(flow: Flow, node: ast.Subscript) -> Value | None:
    inferred = evaluate(flow, node.value)
    evaluate(flow, node.slice)
    if inferred is not None and inferred.kind is Kind.COLLECTION:
        return inferred if isinstance(node.slice, ast.Slice) else inferred.item
    return inferred if inferred is not None and inferred.kind is Kind.SYMBOL else None


def _items(flow: Flow, node: ast.List | ast.Tuple | ast.Set) -> Value | None:
    values = [evaluate(flow, element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return None
    inferred: Value | None = None
    for value in values:
        inferred = merge_values(inferred, value)
    return collection_of(inferred) if inferred is not None else None


def _comprehension(flow: Flow, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    _generators(flow, node.generators)
    inferred = evaluate(flow, node.elt)
    flow.state = saved
    return collection_of(inferred) if inferred is not None else None


def _dict_comprehension(flow: Flow, node: ast.DictComp) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    _generators(flow, node.generators)
    evaluate(flow, node.key)
    evaluate(flow, node.value)
    flow.state = saved
    return None


def _generators(flow: Flow, generators: list[ast.comprehension]) -> None:
    for generator in generators:
        over = evaluate(flow, generator.iter)
        bind_loop_variable(flow, generator.target, over, generator.iter)
        for test in generator.ifs:
            evaluate(flow, test)


def _lambda(flow: Flow, node: ast.Lambda) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    for argument in node.args.args:
        flow.state.names[argument.arg] = None
    evaluate(flow, node.body)
    flow.state = saved
    return None


def _either(flow: Flow, node: ast.IfExp) -> Value | None:
    evaluate(flow, node.test)
    return merge_values(evaluate(flow, node.body), evaluate(flow, node.orelse))


def _boolean(flow: Flow, node: ast.BoolOp) -> Value | None:
    inferred: Value | None = None
    for value in node.values:
        inferred = merge_values(inferred, evaluate(flow, value))
    return inferred


def _bound(flow: Flow, node: ast.NamedExpr) -> Value | None:
    inferred = evaluate(flow, node.value)
    bind(flow, node.target, inferred, node.value)
    return inferred


def _yield(flow: Flow, node: ast.Yield) -> Value | None:
    flow.yielded.append(evaluate(flow, node.value) if node.value is not None else None)
    return None


def _nothing(flow: Flow, node: ast.Constant) -> Value | None:
    return None


def _starred(flow: Flow, node: ast.Starred) -> Value | None:
    return evaluate(flow, node.value)


_HANDLERS: dict[type[ast.expr], Callable[[Flow, Any], Value | None]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Await: _await,
    ast.Subscript: _subscript,
    ast.List: _items,
    ast.Tuple: _items,
    ast.Set: _items,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.DictComp: _dict_comprehension,
    ast.Lambda: _lambda,
    ast.IfExp: _either,
    ast.BoolOp: _boolean,
    ast.NamedExpr: _bound,
    ast.Yield: _yield,
    ast.Constant: _nothing,
    ast.Starred: _starred,
}
