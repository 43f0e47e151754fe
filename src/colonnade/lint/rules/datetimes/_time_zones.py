"""Times of a column: its type, its defaults, what is written to it and what it is compared with.

They have a zone together or not at all. A column of which one part gets a zone and another stays
without one raises `TypeError` where the two meet, or stores times that are hours off.
"""

import ast
from collections.abc import Iterable, Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._models import Attribute, Model

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


def is_naive_type(at: Context, written: ast.expr) -> bool:
    """Whether a column's type is ``DateTime``, which has no zone unless it says so."""
    call = written if isinstance(written, ast.Call) else None
    name = at.meaning(call.func if call else written)
    return name == DATETIME and not (call and (call.args or call.keywords))


def is_naive_column(at: Context, field: Attribute) -> bool:
    """Whether a column says that its times have no zone."""
    return any(is_naive_type(at, expression) for expression in field.type_expressions())


def aware_column(at: Context, field: Attribute) -> tuple[Edit, ...] | None:
    """The edits that give all times of a column a zone; None if one of them is not known."""
    if field.owner.module is not at.module or at.module.name in at.project.names.imported_modules:
        return None  # other files use it in ways that are not known here
    parts = [_of_type(at, field), *_of_defaults(at, field), *_of_uses(at, field)]
    edits = [edit for part in parts if part is not None for edit in part]
    return None if None in parts else tuple(dict.fromkeys(edits))


def aware_time(at: Context, call: ast.Call) -> tuple[Edit, ...] | None:
    """The edits that give a time a zone, with all that it meets; None if that is not known."""
    field = column_of(at, call)
    if field is not None:
        edits = aware_column(at, field)
        return edits if edits and set(_aware(at, call) or ()) <= set(edits) else None
    outer = _whole(at, call)
    parent = at.module.parent(outer)
    if isinstance(parent, ast.Attribute) and parent.attr in SAME_IN_UTC:
        return _aware(at, call)
    if isinstance(parent, ast.Compare):
        others = [one for one in (parent.left, *parent.comparators) if one is not outer]
        if all(_aware(at, other) == () for other in others):
            return _aware(at, call)
    return None


def column_of(at: Context, call: ast.Call) -> Attribute | None:
    """The column that a time is written to or compared with."""
    outer = _whole(at, call)
    parent = at.module.parent(outer)
    match parent:
        case ast.Assign(targets=[ast.Attribute() as target]):
            return _field(at, target)
        case ast.keyword(arg=str(name)):
            made = at.module.parent(parent)
            model = at.project.model(at.meaning(made.func)) if isinstance(made, ast.Call) else None
            return model.attributes.get(name) if model is not None else None
        case ast.Compare(left=left, comparators=others):
            found = (_field(at, one) for one in (left, *others) if isinstance(one, ast.Attribute))
            return next(filter(None, found), None)
    return None


def _whole(at: Context, node: ast.expr) -> ast.expr:
    """The time that a time is a part of: ``utcnow() + timedelta(days=1)``."""
    parent = at.module.parent(node)
    while isinstance(parent, ast.IfExp) or (
        isinstance(parent, ast.BinOp) and parent.left is node and _is_span(at, parent.right)
    ):
        node, parent = parent, at.module.parent(parent)
    return node


def _field(at: Context, node: ast.Attribute) -> Attribute | None:
    model = _model(at, node)
    return model.attributes.get(node.attr) if model is not None else None


def _model(at: Context, node: ast.Attribute) -> Model | None:
    """The model whose attribute is meant, of a row or of the class."""
    held = at.value(node.value)
    if held is None:
        return None
    return at.project.model(held.name) if held.kind is Kind.SYMBOL else held.model


Part = tuple[Edit, ...] | None  # the edits that one part of a column needs; None if not known


def _of_type(at: Context, field: Attribute) -> Part:
    edits = []
    for written in field.type_expressions():
        if is_naive_type(at, written):
            kind = written.func if isinstance(written, ast.Call) else written
            edits.append(at.edit.replace(written, f"{at.edit.text(kind)}(timezone=True)"))
    return tuple(edits)


def _of_defaults(at: Context, field: Attribute) -> Iterator[Part]:
    for name in DEFAULTS & field.options.keys():
        yield _factory(at, field.options[name])
    if "sa_column_kwargs" in field.options:
        yield None
    for call in field.column_calls():
        for keyword in call.keywords:
            if keyword.arg in DEFAULTS:
                yield _factory(at, keyword.value)


def _factory(at: Context, value: ast.expr) -> Part:
    """A default: a time, or what gives one."""
    if at.meaning(value) in (NOW, UTC_NOW):
        return _replaced(at, value, value, "lambda: ")
    return _aware(at, value.body if isinstance(value, ast.Lambda) else value)


def _of_uses(at: Context, field: Attribute) -> Iterator[Part]:
    name = field.name
    for node in at.module.nodes(ast.Attribute):
        if node.attr == name and _may_be(field, _model(at, node)):
            yield _of_use(at, field, node)
    for keyword in at.module.nodes(ast.keyword):
        if keyword.arg == name:
            yield _aware(at, keyword.value)
    for written in at.module.nodes(ast.Constant):
        if written.value == name and not isinstance(at.module.parent(written), ast.Expr):
            yield None  # a key of a dict, an argument of setattr


def _may_be(field: Attribute, model: Model | None) -> bool:
    """Whether an attribute of a model, if it is known of which, is a field."""
    other = model.attributes.get(field.name) if model is not None else None
    return other is None or other.node is field.node


def _of_use(at: Context, field: Attribute, node: ast.Attribute) -> Part:
    parent = at.module.parent(node)
    held = at.value(node)
    in_sql = held is not None and held.kind is Kind.COLUMN
    match parent:
        case ast.Assign(targets=[target], value=value) if target is node:
            return _aware(at, value)
        case ast.Compare(left=left, comparators=others) if in_sql or _is_read_aware(field):
            return _all_aware(at, (one for one in (left, *others) if one is not node))
        case ast.Compare(ops=[ast.Is() | ast.IsNot()]):
            return ()
        case ast.Attribute(attr=attr) if in_sql and attr in INDIFFERENT:
            return ()
        case ast.Call(func=ast.Attribute(attr="order_by")):
            return ()
    return None


def _is_read_aware(field: Attribute) -> bool:
    """Whether rows have aware times in a column on every database, as Colonnade's do.

    On SQLite, ``DateTime(timezone=True)`` gives times without a zone.
    """
    return field.owner.sqlmodel and not field.owner.stock and not [*field.type_expressions()]


def _all_aware(at: Context, nodes: Iterable[ast.expr]) -> Part:
    parts = [_aware(at, node) for node in nodes]
    edits = tuple(edit for part in parts if part is not None for edit in part)
    return None if None in parts else edits


def _aware(at: Context, node: ast.expr) -> Part:
    """The edits that give a time a zone: none if it has one, None if that is not known."""
    match node:
        case ast.Constant(value=None):
            return ()
        case ast.IfExp(body=one, orelse=other):
            return _all_aware(at, (one, other))
        case ast.BinOp(left=left, right=right) if _is_span(at, right):
            return _aware(at, left)
        case ast.Call(func=func, args=[], keywords=[]) if at.meaning(func) in (NOW, UTC_NOW):
            return _replaced(at, node, func)
        case ast.Call(func=func) if at.meaning(func) == NOW:
            return ()
        case ast.Call(func=ast.Attribute(attr="replace"), keywords=[ast.keyword("tzinfo", zone)]):
            return None if isinstance(zone, ast.Constant) else ()
    return None


def _replaced(at: Context, node: ast.expr, func: ast.expr, before: str = "") -> Part:
    named = utc_now(at, func)
    if named is None:
        return None
    datetime, zone, imports = named
    return (at.edit.replace(node, f"{before}{datetime}.now({zone})"), *imports)


def _is_span(at: Context, node: ast.expr) -> bool:
    """Whether an expression is a ``timedelta``, or several of one."""
    if isinstance(node, ast.BinOp):
        return _is_span(at, node.left) or _is_span(at, node.right)
    return isinstance(node, ast.Call) and at.meaning(node.func) == "datetime.timedelta"


def utc_now(at: Context, call: ast.expr) -> tuple[str, str, tuple[Edit, ...]] | None:
    """How ``datetime`` and its UTC zone are spelled here, and the edits that import the zone."""
    datetime = at.edit.text(call.value) if isinstance(call, ast.Attribute) else ""
    if not datetime:
        return None
    if datetime.endswith(".datetime"):  # import datetime
        return datetime, f"{datetime.removesuffix('.datetime')}.timezone.utc", ()
    zone = at.edit.name_of("datetime", "timezone")
    return (datetime, f"{zone[0]}.utc", zone[1]) if zone is not None else None
