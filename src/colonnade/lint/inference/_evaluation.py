"""What an expression holds, given what is known where it stands."""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from colonnade.lint.inference import _calls as calls
from colonnade.lint.inference import _name_inference as giving
from colonnade.lint.inference._expressions import dotted, root
from colonnade.lint.inference._state import FlowView, Read
from colonnade.lint.inference._values import Kind, Value, joined, many
from colonnade.lint.project._module_summary import absolute
from colonnade.lint.project._modules import Function, parameters


def evaluate(flow: FlowView, node: ast.expr) -> Value | None:
    """What an expression holds; it is noted for the rules."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                evaluate(flow, child)
        return None
    held = handler(flow, node)
    if held is not None:
        flow.values[node] = held
    return held


def bind_parameters(flow: FlowView, node: Function) -> None:
    """Give each parameter what its annotation, its default or a fixture says."""
    owner = flow.place.module.owner(node)
    for number, (name, default) in enumerate(parameters(node)):
        held = giving.of_hint(flow.place, name.annotation)
        if default is not None:
            depends = giving.dependency(flow.place, default)
            held = held if depends is None else _narrowed(held, depends)
        if number == 0 and owner is not None and name.annotation is None:
            held = Value(Kind.INSTANCE, flow.place.module.qualified(owner))
        if held is None and name.annotation is None:
            held = giving.fixture(flow.place, node, name.arg)
        flow.state.names[name.arg] = held


def bind_imports(flow: FlowView, node: ast.Import | ast.ImportFrom) -> None:
    """Give the names that a function imports what they mean."""
    module, project = flow.place.module, flow.place.project
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                flow.state.names[alias.asname] = giving.imported(project, alias.name, module.name)
        return
    package = project.names.package(module.name)
    source = absolute("." * node.level + (node.module or ""), package)
    for alias in node.names:
        held = giving.imported(project, f"{source}.{alias.name}", module.name)
        flow.state.names[alias.asname or alias.name] = held


def _narrowed(held: Value | None, depends: Value) -> Value:
    """An annotation that is wrong about its dependency is a hint no more than the other."""
    return held if held is not None and held.kind is not depends.kind else depends


def _name(flow: FlowView, node: ast.Name) -> Value | None:
    if isinstance(node.ctx, ast.Load):
        current: FlowView | None = flow
        while current is not None:
            if node.id in current.state.names:
                return current.state.names[node.id]
            current = current.outer
        return giving.symbol(flow.place, node)
    return None


def _attribute(flow: FlowView, node: ast.Attribute) -> Value | None:
    path = dotted(node)
    receiver = evaluate(flow, node.value)
    if path and (held := flow.lookup(path)) is not None:
        return held
    if receiver is None:
        return None
    if receiver.kind is Kind.SYMBOL:
        model = flow.place.project.model(receiver.name)
        if model is not None:
            return giving.member(model, node.attr)
        return giving.named(flow.place.project, f"{receiver.name}.{node.attr}")
    if receiver.kind is Kind.INSTANCE:
        return giving.attribute(flow.place.project, receiver, node.attr)
    if receiver.kind is Kind.ROW and isinstance(node.ctx, ast.Load):
        return _read(flow, node, receiver)
    return None


def _read(flow: FlowView, node: ast.Attribute, row: Value) -> Value | None:
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
        and relation.when_asked
        and node.attr not in row.loads
        and (name, node.attr) not in flow.state.loaded
        and not (not relation.many and _holds(flow, relation.target))
    )
    if expired is not None or lazy:
        flow.reads[node] = Read(node, row, node.attr, expired, lazy)
    else:
        flow.reads.pop(node, None)
    if relation is None:
        return None
    return _related(flow, row, relation.target, node.attr, is_many=relation.many)


def _holds(flow: FlowView, target: str) -> bool:
    """Whether a row of a model was loaded already: the session then has it without asking."""
    for held in flow.state.names.values():
        row = held.item if held is not None and held.kind is Kind.MANY else held
        if row is not None and row.kind is Kind.ROW and row.attached and row.model is not None:
            if row.model.name == target:
                return True
    return False


def _related(flow: FlowView, row: Value, target: str, name: str, *, is_many: bool) -> Value | None:
    model = flow.place.project.model(target)
    if model is None:
        return None
    loads = None
    if row.loads is not None:
        loads = frozenset(
            path[len(name) + 1 :] for path in row.loads if path.startswith(f"{name}.")
        )
    related = replace(row, model=model, loads=loads, item=None)
    return many(related) if is_many else related


def _call(flow: FlowView, node: ast.Call) -> Value | None:
    function = evaluate(flow, node.func)
    for argument in node.args:
        evaluate(flow, argument)
    for keyword in node.keywords:
        evaluate(flow, keyword.value)
    return calls.called(flow, node, function)


def _await(flow: FlowView, node: ast.Await) -> Value | None:
    held = evaluate(flow, node.value)
    return held.item if held is not None and held.kind is Kind.AWAITABLE else held


def _subscript(flow: FlowView, node: ast.Subscript) -> Value | None:
    held = evaluate(flow, node.value)
    evaluate(flow, node.slice)
    if held is not None and held.kind is Kind.MANY:
        return held if isinstance(node.slice, ast.Slice) else held.item
    return held if held is not None and held.kind is Kind.SYMBOL else None


def _items(flow: FlowView, node: ast.List | ast.Tuple | ast.Set) -> Value | None:
    values = [evaluate(flow, element) for element in node.elts]
    if isinstance(node, ast.Tuple):
        return None
    held: Value | None = None
    for value in values:
        held = joined(held, value)
    return many(held) if held is not None else None


def _comprehension(
    flow: FlowView, node: ast.ListComp | ast.SetComp | ast.GeneratorExp
) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    _generators(flow, node.generators)
    held = evaluate(flow, node.elt)
    flow.state = saved
    return many(held) if held is not None else None


def _dict_comprehension(flow: FlowView, node: ast.DictComp) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    _generators(flow, node.generators)
    evaluate(flow, node.key)
    evaluate(flow, node.value)
    flow.state = saved
    return None


def _generators(flow: FlowView, generators: list[ast.comprehension]) -> None:
    for generator in generators:
        over = evaluate(flow, generator.iter)
        flow.loop_variable(generator.target, over, generator.iter)
        for test in generator.ifs:
            evaluate(flow, test)


def _lambda(flow: FlowView, node: ast.Lambda) -> Value | None:
    saved, flow.state = flow.state, flow.state.copy()
    for argument in node.args.args:
        flow.state.names[argument.arg] = None
    evaluate(flow, node.body)
    flow.state = saved
    return None


def _either(flow: FlowView, node: ast.IfExp) -> Value | None:
    evaluate(flow, node.test)
    return joined(evaluate(flow, node.body), evaluate(flow, node.orelse))


def _boolean(flow: FlowView, node: ast.BoolOp) -> Value | None:
    held: Value | None = None
    for value in node.values:
        held = joined(held, evaluate(flow, value))
    return held


def _bound(flow: FlowView, node: ast.NamedExpr) -> Value | None:
    held = evaluate(flow, node.value)
    flow.bind(node.target, held, node.value)
    return held


def _yield(flow: FlowView, node: ast.Yield) -> Value | None:
    flow.yielded.append(evaluate(flow, node.value) if node.value is not None else None)
    return None


def _nothing(flow: FlowView, node: ast.Constant) -> Value | None:
    return None


def _starred(flow: FlowView, node: ast.Starred) -> Value | None:
    return evaluate(flow, node.value)


_HANDLERS: dict[type[ast.expr], Callable[[FlowView, Any], Value | None]] = {
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
