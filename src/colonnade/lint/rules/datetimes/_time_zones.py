"""The edits that give a datetime column a time zone.

A column's type, its defaults, and the values that are written to it or compared with it all have a
time zone, or none of them has. If only some of them get one, comparisons raise `TypeError`, or the
stored times are hours off.
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
CHANGE_TOGETHER = (
    "Change the column, its defaults and the values written to it or compared with it in one step,"
    " with a migration"
)
DEFAULTS = frozenset({"default", "default_factory", "insert_default", "onupdate"})
# Methods of columns that work with and without a time zone.
ZONE_INDEPENDENT_METHODS = frozenset({"desc", "asc", "is_", "is_not", "label"})
# Attributes of a time in UTC that are read at once: nothing else changes if it gets a zone.
READ_AT_ONCE = frozenset(
    {"timestamp", "date", "year", "month", "day", "hour", "minute", "second", "weekday"}
)


def is_naive_type(context: Context, expression: ast.expr) -> bool:
    """Whether a column's type is ``DateTime`` without arguments, which has no time zone."""
    call = expression if isinstance(expression, ast.Call) else None
    name = context.resolve(call.func if call else expression)
    return name == DATETIME and not (call and (call.args or call.keywords))


def is_naive_column(context: Context, field: ModelField) -> bool:
    """Whether a column's type has no time zone."""
    return any(is_naive_type(context, expression) for expression in field.type_expressions())


def make_column_aware(context: Context, field: ModelField) -> tuple[Edit, ...] | None:
    """The edits that give a column a time zone; None if one of its uses is unclear."""
    if (
        field.owner.module is not context.module
        or context.module.name in context.project.names.imported_modules
    ):
        return None  # other files may use it
    parts = [
        _type_edits(context, field),
        *_default_edits(context, field),
        *_use_edits(context, field),
    ]
    edits = [edit for part in parts if part is not None for edit in part]
    return None if None in parts else tuple(dict.fromkeys(edits))


def make_time_aware(context: Context, call: ast.Call) -> tuple[Edit, ...] | None:
    """The edits that give a time and its column a time zone; None if a use is unclear."""
    field = find_column(context, call)
    if field is not None:
        edits = make_column_aware(context, field)
        return edits if edits and set(_make_aware(context, call) or ()) <= set(edits) else None
    outer = _outermost_time(context, call)
    parent = context.module.parent(outer)
    if isinstance(parent, ast.Attribute) and parent.attr in READ_AT_ONCE:
        return _make_aware(context, call)
    if isinstance(parent, ast.Compare):
        others = [side for side in (parent.left, *parent.comparators) if side is not outer]
        if all(_make_aware(context, other) == () for other in others):
            return _make_aware(context, call)
    return None


def find_column(context: Context, call: ast.Call) -> ModelField | None:
    """The column that a time is written to or compared with, or None."""
    outer = _outermost_time(context, call)
    parent = context.module.parent(outer)
    match parent:
        case ast.Assign(targets=[ast.Attribute() as target]):
            return _field_of(context, target)
        case ast.keyword(arg=str(name)):
            enclosing_call = context.module.parent(parent)
            model = (
                context.project.model(context.resolve(enclosing_call.func))
                if isinstance(enclosing_call, ast.Call)
                else None
            )
            return model.fields.get(name) if model is not None else None
        case ast.Compare(left=left, comparators=others):
            columns = (
                _field_of(context, side)
                for side in (left, *others)
                if isinstance(side, ast.Attribute)
            )
            return next(filter(None, columns), None)
    return None


def _outermost_time(context: Context, node: ast.expr) -> ast.expr:
    """The outermost expression with the same time, such as ``utcnow() + timedelta(days=1)``."""
    parent = context.module.parent(node)
    while isinstance(parent, ast.IfExp) or (
        isinstance(parent, ast.BinOp)
        and parent.left is node
        and _is_duration(context, parent.right)
    ):
        node, parent = parent, context.module.parent(parent)
    return node


def _field_of(context: Context, node: ast.Attribute) -> ModelField | None:
    model = _model_of(context, node)
    return model.fields.get(node.attr) if model is not None else None


def _model_of(context: Context, node: ast.Attribute) -> Model | None:
    """The model of an attribute, which may be read from a row or from the class."""
    inferred = context.value(node.value)
    if inferred is None:
        return None
    return context.project.model(inferred.name) if inferred.kind is Kind.SYMBOL else inferred.model


MaybeEdits = tuple[Edit, ...] | None  # None if it is unclear which edits are needed


def _type_edits(context: Context, field: ModelField) -> MaybeEdits:
    edits = []
    for expression in field.type_expressions():
        if is_naive_type(context, expression):
            kind = expression.func if isinstance(expression, ast.Call) else expression
            edits.append(
                context.editor.replace(expression, f"{context.editor.text(kind)}(timezone=True)")
            )
    return tuple(edits)


def _default_edits(context: Context, field: ModelField) -> Iterator[MaybeEdits]:
    for name in DEFAULTS & field.options.keys():
        yield _factory_edits(context, field.options[name])
    if "sa_column_kwargs" in field.options:
        yield None
    for call in field.column_calls():
        for keyword in call.keywords:
            if keyword.arg in DEFAULTS:
                yield _factory_edits(context, keyword.value)


def _factory_edits(context: Context, value: ast.expr) -> MaybeEdits:
    """The edits for a default: a time, or a callable that returns one."""
    if context.resolve(value) in (NOW, UTC_NOW):
        return _replace_now(context, value, value, "lambda: ")
    return _make_aware(context, value.body if isinstance(value, ast.Lambda) else value)


def _use_edits(context: Context, field: ModelField) -> Iterator[MaybeEdits]:
    name = field.name
    for node in context.module.nodes(ast.Attribute):
        if node.attr == name and _may_be_field(field, _model_of(context, node)):
            yield _edits_for_use(context, field, node)
    for keyword in context.module.nodes(ast.keyword):
        if keyword.arg == name:
            yield _make_aware(context, keyword.value)
    for expression in context.module.nodes(ast.Constant):
        if expression.value == name and not isinstance(context.module.parent(expression), ast.Expr):
            yield None  # perhaps a key of a dict or an argument of setattr


def _may_be_field(field: ModelField, model: Model | None) -> bool:
    """Whether an attribute may be a field: its model is unknown, or has this field."""
    other = model.fields.get(field.name) if model is not None else None
    return other is None or other.node is field.node


def _edits_for_use(context: Context, field: ModelField, node: ast.Attribute) -> MaybeEdits:
    parent = context.module.parent(node)
    inferred = context.value(node)
    in_sql = inferred is not None and inferred.kind is Kind.COLUMN
    match parent:
        case ast.Assign(targets=[target], value=value) if target is node:
            return _make_aware(context, value)
        case ast.Compare(left=left, comparators=others) if in_sql or _is_read_aware(field):
            return _make_all_aware(context, (side for side in (left, *others) if side is not node))
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return ()
        case ast.Attribute(attr=attr) if in_sql and attr in ZONE_INDEPENDENT_METHODS:
            return ()
        case ast.Call(func=ast.Attribute(attr="order_by")):
            return ()
    return None


def _is_read_aware(field: ModelField) -> bool:
    """Whether rows have aware times in a column on every database, as with Colonnade.

    On SQLite, the values of ``DateTime(timezone=True)`` have no time zone.
    """
    return (
        field.owner.is_sqlmodel
        and not field.owner.is_stock_sqlmodel
        and not [*field.type_expressions()]
    )


def _make_all_aware(context: Context, nodes: Iterable[ast.expr]) -> MaybeEdits:
    parts = [_make_aware(context, node) for node in nodes]
    edits = tuple(edit for part in parts if part is not None for edit in part)
    return None if None in parts else edits


def _make_aware(context: Context, node: ast.expr) -> MaybeEdits:
    """The edits that give a time a time zone: empty if it has one, None if that is unclear."""
    match node:
        case ast.Constant(value=None):
            return ()
        case ast.IfExp(body=body, orelse=other):
            return _make_all_aware(context, (body, other))
        case ast.BinOp(left=left, right=right) if _is_duration(context, right):
            return _make_aware(context, left)
        case ast.Call(func=func, args=[], keywords=[]) if context.resolve(func) in (NOW, UTC_NOW):
            return _replace_now(context, node, func)
        case ast.Call(func=func) if context.resolve(func) == NOW:
            return ()
        case ast.Call(func=ast.Attribute(attr="replace"), keywords=[ast.keyword("tzinfo", zone)]):
            return None if isinstance(zone, ast.Constant) else ()
    return None


def _replace_now(context: Context, node: ast.expr, func: ast.expr, before: str = "") -> MaybeEdits:
    spelling = utc_now(context, func)
    if spelling is None:
        return None
    datetime, zone, imports = spelling
    return (context.editor.replace(node, f"{before}{datetime}.now({zone})"), *imports)


def _is_duration(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a ``timedelta`` or a multiple of one."""
    if isinstance(node, ast.BinOp):
        return _is_duration(context, node.left) or _is_duration(context, node.right)
    return isinstance(node, ast.Call) and context.resolve(node.func) == "datetime.timedelta"


def utc_now(context: Context, call: ast.expr) -> tuple[str, str, tuple[Edit, ...]] | None:
    """The spelling of ``datetime`` and of its UTC zone here, and the edits that import the zone."""
    datetime = context.editor.text(call.value) if isinstance(call, ast.Attribute) else ""
    if not datetime:
        return None
    if datetime.endswith(".datetime"):  # import datetime
        return datetime, f"{datetime.removesuffix('.datetime')}.timezone.utc", ()
    zone = context.editor.local_name("datetime", "timezone")
    return (datetime, f"{zone[0]}.utc", zone[1]) if zone is not None else None
