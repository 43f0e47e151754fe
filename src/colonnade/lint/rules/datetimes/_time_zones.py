"""Times of a column: its type, its defaults, what is written to it and what it is compared with.

They have a zone together or not at all. A column of which one part gets a zone and another stays
without one raises `TypeError` where the two meet, or stores times that are hours off.
"""

import ast
from collections.abc import Iterable, Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._models import Model, ModelField

NOW = "datetime.datetime.now"
UTC_NOW = "datetime.datetime.utcnow"
DATETIME = "sqlalchemy.DateTime"
TOGETHER = (
    "Change the column, its defaults, what is written to it and what it is compared with in one"
    " step, with a migration"
)
DEFAULTS = frozenset({"default", "default_factory", "insert_default", "onupdate"})
# What is asked of a column or a time whatever its zone is.
INDIFFERENT = frozenset({"desc", "asc", "is_", "is_not", "label"})
SAME_IN_UTC = frozenset(
    {"timestamp", "date", "year", "month", "day", "hour", "minute", "second", "weekday"}
)


def is_naive_type(context: Context, written: ast.expr) -> bool:
    """Whether a column's type is ``DateTime``, which has no zone unless it says so."""
    call = written if isinstance(written, ast.Call) else None
    name = context.resolve(call.func if call else written)
    return name == DATETIME and not (call and (call.args or call.keywords))


def is_naive_column(context: Context, field: ModelField) -> bool:
    """Whether a column says that its times have no zone."""
    return any(is_naive_type(context, expression) for expression in field.type_expressions())


def aware_column(context: Context, field: ModelField) -> tuple[Edit, ...] | None:
    """The edits that give all times of a column a zone; None if one of them is not known."""
    if (
        field.owner.module is not context.module
        or context.module.name in context.project.names.imported_modules
    ):
        return None  # other files use it in ways that are not known here
    parts = [_of_type(context, field), *_of_defaults(context, field), *_of_uses(context, field)]
    edits = [edit for part in parts if part is not None for edit in part]
    return None if None in parts else tuple(dict.fromkeys(edits))


def aware_time(context: Context, call: ast.Call) -> tuple[Edit, ...] | None:
    """The edits that give a time a zone, with all that it meets; None if that is not known."""
    field = column_of(context, call)
    if field is not None:
        edits = aware_column(context, field)
        return edits if edits and set(_aware(context, call) or ()) <= set(edits) else None
    outer = _whole(context, call)
    parent = context.module.parent(outer)
    if isinstance(parent, ast.Attribute) and parent.attr in SAME_IN_UTC:
        return _aware(context, call)
    if isinstance(parent, ast.Compare):
        others = [side for side in (parent.left, *parent.comparators) if side is not outer]
        if all(_aware(context, other) == () for other in others):
            return _aware(context, call)
    return None


def column_of(context: Context, call: ast.Call) -> ModelField | None:
    """The column that a time is written to or compared with."""
    outer = _whole(context, call)
    parent = context.module.parent(outer)
    match parent:
        case ast.Assign(targets=[ast.Attribute() as target]):
            return _field(context, target)
        case ast.keyword(arg=str(name)):
            call_around = context.module.parent(parent)
            model = (
                context.project.model(context.resolve(call_around.func))
                if isinstance(call_around, ast.Call)
                else None
            )
            return model.fields.get(name) if model is not None else None
        case ast.Compare(left=left, comparators=others):
            columns = (
                _field(context, side) for side in (left, *others) if isinstance(side, ast.Attribute)
            )
            return next(filter(None, columns), None)
    return None


def _whole(context: Context, node: ast.expr) -> ast.expr:
    """The time that a time is a part of: ``utcnow() + timedelta(days=1)``."""
    parent = context.module.parent(node)
    while isinstance(parent, ast.IfExp) or (
        isinstance(parent, ast.BinOp) and parent.left is node and _is_span(context, parent.right)
    ):
        node, parent = parent, context.module.parent(parent)
    return node


def _field(context: Context, node: ast.Attribute) -> ModelField | None:
    model = _model(context, node)
    return model.fields.get(node.attr) if model is not None else None


def _model(context: Context, node: ast.Attribute) -> Model | None:
    """The model whose attribute is meant, of a row or of the class."""
    inferred = context.value(node.value)
    if inferred is None:
        return None
    return context.project.model(inferred.name) if inferred.kind is Kind.SYMBOL else inferred.model


Part = tuple[Edit, ...] | None  # the edits that one part of a column needs; None if not known


def _of_type(context: Context, field: ModelField) -> Part:
    edits = []
    for written in field.type_expressions():
        if is_naive_type(context, written):
            kind = written.func if isinstance(written, ast.Call) else written
            edits.append(
                context.editor.replace(written, f"{context.editor.text(kind)}(timezone=True)")
            )
    return tuple(edits)


def _of_defaults(context: Context, field: ModelField) -> Iterator[Part]:
    for name in DEFAULTS & field.options.keys():
        yield _factory(context, field.options[name])
    if "sa_column_kwargs" in field.options:
        yield None
    for call in field.column_calls():
        for keyword in call.keywords:
            if keyword.arg in DEFAULTS:
                yield _factory(context, keyword.value)


def _factory(context: Context, value: ast.expr) -> Part:
    """A default: a time, or what gives one."""
    if context.resolve(value) in (NOW, UTC_NOW):
        return _replaced(context, value, value, "lambda: ")
    return _aware(context, value.body if isinstance(value, ast.Lambda) else value)


def _of_uses(context: Context, field: ModelField) -> Iterator[Part]:
    name = field.name
    for node in context.module.nodes(ast.Attribute):
        if node.attr == name and _may_be(field, _model(context, node)):
            yield _of_use(context, field, node)
    for keyword in context.module.nodes(ast.keyword):
        if keyword.arg == name:
            yield _aware(context, keyword.value)
    for written in context.module.nodes(ast.Constant):
        if written.value == name and not isinstance(context.module.parent(written), ast.Expr):
            yield None  # a key of a dict, an argument of setattr


def _may_be(field: ModelField, model: Model | None) -> bool:
    """Whether an attribute of a model, if it is known of which, is a field."""
    other = model.fields.get(field.name) if model is not None else None
    return other is None or other.node is field.node


def _of_use(context: Context, field: ModelField, node: ast.Attribute) -> Part:
    parent = context.module.parent(node)
    inferred = context.value(node)
    in_sql = inferred is not None and inferred.kind is Kind.COLUMN
    match parent:
        case ast.Assign(targets=[target], value=value) if target is node:
            return _aware(context, value)
        case ast.Compare(left=left, comparators=others) if in_sql or _is_read_aware(field):
            return _all_aware(context, (side for side in (left, *others) if side is not node))
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return ()
        case ast.Attribute(attr=attr) if in_sql and attr in INDIFFERENT:
            return ()
        case ast.Call(func=ast.Attribute(attr="order_by")):
            return ()
    return None


def _is_read_aware(field: ModelField) -> bool:
    """Whether rows have aware times in a column on every database, as Colonnade's do.

    On SQLite, ``DateTime(timezone=True)`` gives times without a zone.
    """
    return (
        field.owner.is_sqlmodel
        and not field.owner.is_stock_sqlmodel
        and not [*field.type_expressions()]
    )


def _all_aware(context: Context, nodes: Iterable[ast.expr]) -> Part:
    parts = [_aware(context, node) for node in nodes]
    edits = tuple(edit for part in parts if part is not None for edit in part)
    return None if None in parts else edits


def _aware(context: Context, node: ast.expr) -> Part:
    """The edits that give a time a zone: none if it has one, None if that is not known."""
    match node:
        case ast.Constant(value=None):
            return ()
        case ast.IfExp(body=body, orelse=other):
            return _all_aware(context, (body, other))
        case ast.BinOp(left=left, right=right) if _is_span(context, right):
            return _aware(context, left)
        case ast.Call(func=func, args=[], keywords=[]) if context.resolve(func) in (NOW, UTC_NOW):
            return _replaced(context, node, func)
        case ast.Call(func=func) if context.resolve(func) == NOW:
            return ()
        case ast.Call(func=ast.Attribute(attr="replace"), keywords=[ast.keyword("tzinfo", zone)]):
            return None if isinstance(zone, ast.Constant) else ()
    return None


def _replaced(context: Context, node: ast.expr, func: ast.expr, before: str = "") -> Part:
    named = utc_now(context, func)
    if named is None:
        return None
    datetime, zone, imports = named
    return (context.editor.replace(node, f"{before}{datetime}.now({zone})"), *imports)


def _is_span(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a ``timedelta``, or several of one."""
    if isinstance(node, ast.BinOp):
        return _is_span(context, node.left) or _is_span(context, node.right)
    return isinstance(node, ast.Call) and context.resolve(node.func) == "datetime.timedelta"


def utc_now(context: Context, call: ast.expr) -> tuple[str, str, tuple[Edit, ...]] | None:
    """How ``datetime`` and its UTC zone are spelled here, and the edits that import the zone."""
    datetime = context.editor.text(call.value) if isinstance(call, ast.Attribute) else ""
    if not datetime:
        return None
    if datetime.endswith(".datetime"):  # import datetime
        return datetime, f"{datetime.removesuffix('.datetime')}.timezone.utc", ()
    zone = context.editor.local_name("datetime", "timezone")
    return (datetime, f"{zone[0]}.utc", zone[1]) if zone is not None else None
