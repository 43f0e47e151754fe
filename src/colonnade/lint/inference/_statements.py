"""Infers statements, loader options and the results of executed statements."""

import ast
from dataclasses import replace

from colonnade.lint.inference._flow import Flow
from colonnade.lint.inference._values import NO_RELATIONS, Kind, Value, collection_of
from colonnade.lint.project import _known_names as lib

SAME_STATEMENT = frozenset(
    {"where", "filter", "filter_by", "join", "outerjoin", "join_from", "select_from", "distinct",
     "group_by", "having", "with_for_update", "execution_options", "correlate",
     "params", "prefix_with", "with_hint", "populate_existing", "enable_eagerloads"}
)  # fmt: skip
FIRST = frozenset({"first", "one", "one_or_none", "fetchone"})
ALL = frozenset({"all", "fetchall", "unique", "partitions", "fetchmany", "yield_per"})
SCALAR = frozenset({"scalar", "scalar_one", "scalar_one_or_none"})


def infer_select(flow: Flow, node: ast.Call) -> Value | None:
    """A row of a select of one model."""
    if len(node.args) != 1:
        return None
    inferred = flow.value(node.args[0])
    model = (
        flow.scope.project.model(inferred.name)
        if inferred and inferred.kind is Kind.SYMBOL
        else None
    )
    return Value(Kind.ROW, model=model, loads=NO_RELATIONS) if model is not None else None


def infer_loader_option(flow: Flow, node: ast.Call, loader: str, before: str) -> Value:
    """A loader option with the relations that it loads, as dotted paths."""
    paths: set[str] = set()
    whole = True
    for argument in node.args:
        inferred = flow.value(argument)
        if inferred is None or inferred.kind not in (Kind.RELATION, Kind.COLUMN):
            whole = isinstance(argument, ast.Constant) and loader not in lib.EAGER
            continue
        before = f"{before}.{inferred.name}" if before else inferred.name
        if loader in lib.EAGER or loader == "defaultload":
            paths.add(before)
    return Value(Kind.OPTION, before, loads=frozenset(paths) if whole else None)


def infer_statement_call(flow: Flow, node: ast.Call, name: str, receiver: Value) -> Value | None:
    """The result of a method of a select or legacy Query."""
    first = node.args[0] if node.args else None
    constant = first.value if isinstance(first, ast.Constant) else first
    match name:
        case "options":
            return replace(receiver, loads=_with_options(flow, node, receiver.loads))
        case "order_by":
            return replace(receiver, has_order=True)
        case "limit" | "fetch":
            return replace(receiver, has_limit=receiver.has_limit or constant not in (0, 1, None))
        case "offset":
            return replace(receiver, has_offset=receiver.has_offset or constant not in (0, None))
        case "slice":
            return replace(receiver, has_limit=True, has_offset=True)
        case "from_statement":  # the result is not a select
            return replace(receiver, name="")
        case "add_columns":
            return replace(receiver, item=None)
        case _ if name in SAME_STATEMENT:
            return receiver
        case _ if receiver.kind is Kind.QUERY:
            return _infer_query_call(name, receiver)
        case _:
            return None


def _with_options(
    flow: Flow, node: ast.Call, loads: frozenset[str] | None
) -> frozenset[str] | None:
    for argument in node.args:
        inferred = flow.value(argument)
        if (
            inferred is None
            or inferred.kind is not Kind.OPTION
            or inferred.loads is None
            or loads is None
        ):
            return None
        loads |= inferred.loads
    return loads


def _infer_query_call(name: str, query: Value) -> Value | None:
    row = query.item
    if row is not None:
        row = replace(row, loads=query.loads)
    if name in FIRST or name in SCALAR or name == "get":
        return row
    return collection_of(row) if name in ("all", "__iter__") else None


def infer_result_call(name: str, receiver: Value) -> Value | None:
    """The result of a method of a result object."""
    if name in ("scalars", "unique", "yield_per"):
        kind = Kind.ROWS if name == "scalars" else receiver.kind
        return Value(kind, item=receiver.item)
    if name in SCALAR:
        return receiver.item
    if receiver.kind is Kind.TUPLES:
        return None
    if name in FIRST:
        return receiver.item
    return collection_of(receiver.item) if name in ALL else None
