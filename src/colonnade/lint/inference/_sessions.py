"""Infers the results of session and engine methods, and their effects on rows."""

import ast
from dataclasses import replace

from colonnade.lint.inference._flow import Flow
from colonnade.lint.inference._paths import dotted_name, root_name
from colonnade.lint.inference._values import NO_RELATIONS, Kind, Value, awaitable, collection_of
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._models import Model

AWAITED = frozenset(
    {"execute", "exec", "scalar", "scalars", "get", "get_one", "commit", "rollback", "flush",
     "refresh", "delete", "merge", "close", "run_sync", "stream", "stream_scalars", "connection",
     "invalidate", "reset", "aclose"}
)  # fmt: skip
ENGINE_AWAITED = frozenset({"dispose"})


def new_session(name: str, options: dict[str | None, ast.expr], node: ast.Call) -> Value:
    """A new session."""
    expires: bool | None = True
    if "expire_on_commit" in options:
        expire_on_commit = options["expire_on_commit"]
        expires = (
            bool(expire_on_commit.value) if isinstance(expire_on_commit, ast.Constant) else None
        )
    elif None in options:
        expires = None
    return Value(Kind.INSTANCE, name, expires=expires, node=node)


def new_factory(
    flow: Flow, name: str, options: dict[str | None, ast.expr], node: ast.Call
) -> Value:
    """A new sessionmaker, with the session that it creates."""
    session_class = flow.value(options.get("class_")) or (
        flow.value(node.args[1]) if len(node.args) > 1 else None
    )
    kind = lib.ASYNC_SESSION if name == lib.ASYNC_SESSIONMAKER else lib.SESSION
    if session_class is not None and session_class.kind is Kind.SYMBOL:
        if session_class.name in lib.SESSIONS:
            kind = session_class.name
        elif not lib.ASYNC_SESSIONS.isdisjoint(flow.scope.project.ancestry(session_class.name)):
            kind = lib.ASYNC_SESSION
    elif "class_" in options:
        return Value(Kind.FACTORY, node=node)
    return Value(Kind.FACTORY, item=new_session(kind, options, node), node=node)


def infer_session_call(
    flow: Flow, node: ast.Call, func: ast.Attribute, session: Value
) -> Value | None:
    """The result of a session's method, not yet awaited; its effects are applied to the flow."""
    source = dotted_name(func.value)
    kind = "async" if session.name in lib.ASYNC_SESSIONS else "sync"
    expires = session.expires if session.expires is not None else flow.scope.project.names.expiring
    row = Value(Kind.ROW, kind, source=source, expires=expires, attached=True, node=node)
    match func.attr:
        case "exec" | "scalars" | "execute" | "stream" | "stream_scalars" | "scalar":
            return _infer_execute(flow, node, func.attr, row)
        case "get" | "get_one":
            return _infer_get(flow, node, row)
        case "query":
            model = _first_model(flow, node)
            is_model_query = len(node.args) == 1 and model is not None
            return Value(
                Kind.QUERY, item=replace(row, model=model) if is_model_query else None, node=node
            )
        case "merge":
            return flow.value(node.args[0]) if node.args else None
        case "begin":
            return Value(Kind.CONTEXT, item=session, source=source)
        case "begin_nested" | "no_autoflush":
            return Value(Kind.CONTEXT, item=session)
        case _:
            _apply_effects(flow, node, func.attr, row)
            return None


def _apply_effects(flow: Flow, node: ast.Call, name: str, row: Value) -> None:
    """Apply the effects of a session's method to the rows in the flow."""
    first = node.args[0] if node.args else None
    match name:
        case "add":
            _attach(flow, first, row)
        case "add_all":
            for element in getattr(first, "elts", [first]):
                _attach(flow, element, row)
        case "refresh":
            _refresh(flow, node, first)
        case "expunge" if isinstance(first, ast.Name):
            flow.state.names[first.id] = None
        case "commit":
            flow.commit(node, row.source)


def _infer_execute(flow: Flow, node: ast.Call, name: str, row: Value) -> Value | None:
    """The result of executing a statement."""
    first = flow.value(node.args[0]) if node.args else None
    inferred: Value | None = None
    if first is not None and first.kind is Kind.STATEMENT and first.item is not None:
        inferred = replace(row, model=first.item.model, loads=first.loads)
        _mark_fresh(flow, inferred)
    if name == "scalar":
        return inferred
    return Value(Kind.TUPLES if name in ("execute", "stream") else Kind.ROWS, item=inferred)


def _infer_get(flow: Flow, node: ast.Call, row: Value) -> Value | None:
    """The row that ``get`` returns."""
    model = _first_model(flow, node)
    if model is None:
        return None
    loads: frozenset[str] | None = NO_RELATIONS
    for keyword in node.keywords:
        if keyword.arg == "options":
            loads = _loaded_paths(flow, keyword.value)
    inferred = replace(row, model=model, loads=loads)
    _mark_fresh(flow, inferred)
    return inferred


def _first_model(flow: Flow, node: ast.Call) -> Model | None:
    """The model that is a call's first argument."""
    first = flow.value(node.args[0]) if node.args else None
    return flow.scope.project.model(first.name) if first is not None else None


def _mark_fresh(flow: Flow, row: Value) -> None:
    """Mark rows of a model as no longer expired, since they have been read again."""
    for name in list(flow.state.expired):
        inferred = flow.state.names.get(name)
        row_value = (
            inferred.item if inferred is not None and inferred.kind is Kind.COLLECTION else inferred
        )
        if row_value is not None and row_value.model is row.model:
            del flow.state.expired[name]


def _attach(flow: Flow, node: ast.expr | None, row: Value) -> None:
    """Attach a named row, or the rows of a named list, to a session."""
    inferred = flow.lookup(node.id) if isinstance(node, ast.Name) else None
    if inferred is None or not isinstance(node, ast.Name):
        return
    item = inferred.item if inferred.kind is Kind.COLLECTION else inferred
    if item is None or item.kind is not Kind.ROW:
        return
    # The relations of a new row are empty, so reading them does not load anything.
    loads = item.loads if item.attached else None
    attached_row = replace(row, model=item.model, loads=loads)
    flow.state.names[node.id] = (
        collection_of(attached_row) if inferred.kind is Kind.COLLECTION else attached_row
    )


def _refresh(flow: Flow, node: ast.Call, row: ast.expr | None) -> None:
    name = dotted_name(row) or root_name(row) if row is not None else ""
    if not name:
        return
    state = flow.state
    state.expired.pop(name, None)
    if name in state.loop_sources:
        state.expired.pop(state.loop_sources[name], None)
    attribute_lists = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
    for names in attribute_lists:
        inferred = state.names.get(name)
        if isinstance(names, ast.List | ast.Tuple | ast.Set):
            relation_names = (
                element.value for element in names.elts if isinstance(element, ast.Constant)
            )
            state.loaded |= {(name, str(relation)) for relation in relation_names}
        elif inferred is not None:
            state.names[name] = replace(inferred, loads=None)


def _loaded_paths(flow: Flow, node: ast.expr) -> frozenset[str] | None:
    """The relations that one option or a list of options loads; None if they are unknown."""
    paths: frozenset[str] = NO_RELATIONS
    for element in node.elts if isinstance(node, ast.List | ast.Tuple) else [node]:
        inferred = flow.value(element)
        if inferred is None or inferred.kind is not Kind.OPTION or inferred.loads is None:
            return None
        paths |= inferred.loads
    return paths


def infer_engine_call(receiver: Value, name: str) -> Value | None:
    """The result of an engine's method."""
    is_async = receiver.name == lib.ASYNC_ENGINE
    if name in ("begin", "connect"):
        kind = lib.ASYNC_CONNECTION if is_async else lib.CONNECTION
        return Value(Kind.CONTEXT, item=Value(Kind.INSTANCE, kind))
    return awaitable(None) if is_async and name in ENGINE_AWAITED else None
