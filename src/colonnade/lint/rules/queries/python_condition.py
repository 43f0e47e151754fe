"""CLN301."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._examples import SYNC, models

JOINS = ("join", "outerjoin")
CONDITIONS = ("where", "filter", "having", "on", "onclause", "and_", "or_", "not_", *JOINS)
_METHODS = {
    ast.Is: ("is", "is_"),
    ast.IsNot: ("is not", "is_not"),
    ast.In: ("in", "in_"),
    ast.NotIn: ("not in", "not_in"),
}


class PythonCondition(Rule):
    """`and`, `or`, `not`, `is` or `in` with a column, in a condition.

    Python decides them at once, without the database: `Task.done is None` is False for every row,
    `not Task.done` raises or is False, `a and b` is one of the two. Use `is_()`, `in_()`, `~`, `&`,
    `|`, or several conditions, which are joined by AND.
    """

    code = "CLN301"
    name = "python-condition"
    fixes = "safe"
    source = "https://docs.sqlalchemy.org/en/21/core/operators.html"
    bad = f"""{SYNC}

def open_tasks(session: Session, projects: list[int]):
    return session.exec(
        select(Task).where(
            Task.project_id is not None,  # CLN301
            Task.project_id in projects,  # CLN301
        )
    ).all()
"""
    good = f"""{models("col")}

def open_tasks(session: Session, projects: list[int]):
    return session.exec(
        select(Task).where(
            col(Task.project_id).is_not(None),
            col(Task.project_id).in_(projects),
        )
    ).all()
"""

    def check(self, at: Context) -> Iterator[Finding]:
        for call in at.module.called(*CONDITIONS):
            if not self._is_condition(at, call):
                continue
            joins = isinstance(call.func, ast.Attribute) and call.func.attr in JOINS
            for argument in call.args[1:] if joins else call.args:
                yield from self._judge(at, argument)

    def _is_condition(self, at: Context, call: ast.Call) -> bool:
        if isinstance(call.func, ast.Name):
            return at.meaning(call.func).startswith("sqlalchemy.")
        held = at.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
        if held is not None:
            return held.kind in (Kind.STATEMENT, Kind.QUERY)
        return isinstance(call.func, ast.Attribute) and call.func.attr == "where"

    def _judge(self, at: Context, node: ast.expr) -> Iterator[Finding]:
        match node:
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
                yield from self._judge(at, left)
                yield from self._judge(at, right)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                yield from self._judge(at, operand)
            case ast.BoolOp(op=op, values=values) if any(_is_sql(at, value) for value in values):
                word = "and" if isinstance(op, ast.And) else "or"
                sign = "&" if word == "and" else "|"
                message = f"`{word}` is decided by Python: only one of the conditions is left"
                advice = f"Use `{word}_(...)`, or `{sign}` with each side in brackets"
                fix = _fix(at, node, f"Use `{sign}`")
                yield at.find(self.code, node, message, fix=fix, advice=advice)
            case ast.UnaryOp(op=ast.Not(), operand=operand) if _is_sql(at, operand):
                message = "`not` is decided by Python, not for each row"
                fix = _fix(at, node, "Use `~`")
                yield at.find(self.code, node, message, fix=fix, advice="Use `~`, or `not_()`")
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                method = _METHODS.get(type(op))
                if method is not None and (_is_column(at, left) or _is_column(at, right)):
                    message = f"`{method[0]}` is decided by Python, not for each row"
                    fix = _fix(at, node, f"Use `{method[1]}()`")
                    yield at.find(self.code, node, message, fix=fix)
            case ast.Compare(left=left, comparators=others):
                if any(_is_column(at, one) for one in (left, *others)):
                    message = "a chain of comparisons is decided by Python, which raises here"
                    yield at.find(
                        self.code, node, message, advice="Use `between()`, or two conditions"
                    )


def _fix(at: Context, node: ast.expr, message: str) -> Fix | None:
    """What makes SQL of a condition, if all of it can be SQL."""
    imports: list[Edit] = []
    edits = _edits(at, node, imports)
    if edits is None:
        return None
    return Fix(message, (*edits, *dict.fromkeys(imports)), safe=True)


def _edits(at: Context, node: ast.expr, imports: list[Edit]) -> list[Edit] | None:
    """The edits that make SQL of a condition; None if a part of it is no condition."""
    match node:
        case ast.BoolOp():
            return _joined(at, node, imports)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _edits(at, operand, imports)
            return None if inner is None else [*_negated(at, node), *inner]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _METHODS:
            return _called(at, node, left, right, _METHODS[type(op)][1], imports)
        case ast.Compare(ops=[_]) | ast.Call():
            return [] if _is_sql(at, node) else None
        case _:
            return [] if _is_boolean(at, node) else None


def _joined(at: Context, node: ast.BoolOp, imports: list[Edit]) -> list[Edit] | None:
    word, sign = ("and", "&") if isinstance(node.op, ast.And) else ("or", "|")
    edits: list[Edit] = []
    for place, value in enumerate(node.values):
        inner = _edits(at, value, imports)
        if inner is None:
            return None
        edits += [at.edit.before(value, "("), *inner, at.edit.after(value, ")")]
        if place:
            end = at.edit.end(node.values[place - 1])
            start = end + at.edit.code_between(end, at.edit.start(value)).index(word)
            edits.append(Edit(start, start + len(word), sign))
    return edits


def _negated(at: Context, node: ast.UnaryOp) -> list[Edit]:
    """``~`` for ``not``, with brackets where it would take only the first name."""
    start, operand = at.edit.start(node), node.operand
    between = at.module.source.text[start : at.edit.start(operand)]
    word = between[: len(between) - len(between[len("not") :].lstrip())]
    edits = [Edit(start, start + len(word), "~")]
    if "(" not in between and not isinstance(operand, ast.Attribute | ast.Name | ast.Call):
        edits += [at.edit.before(operand, "("), at.edit.after(operand, ")")]
    return edits


def _called(
    at: Context, node: ast.Compare, left: ast.expr, right: ast.expr, name: str, imports: list[Edit]
) -> list[Edit] | None:
    if not _is_column(at, left) or _is_column(at, right) or not _takes(at, left, name, right):
        return None
    if "#" in at.edit.text(node):  # a comment, most likely, which would be lost
        return None
    text = at.edit.text(left)
    named = None if text.startswith("col(") else at.edit.name_of("sqlmodel", "col")
    if named is not None and _is_sqlmodel(at, left):
        text = f"{named[0]}({text})"
        imports += named[1]
    return [at.edit.replace(node, f"{text}.{name}({at.edit.text(right)})")]


def _takes(at: Context, left: ast.expr, name: str, right: ast.expr) -> bool:
    """Whether a column's method takes what stands on the right for certain."""
    held = at.value(left)
    if name in ("is_", "is_not"):
        is_column = held is not None and held.kind is Kind.COLUMN
        value = right.value if isinstance(right, ast.Constant) else ...
        return value is None or (is_column and isinstance(value, bool))
    other = at.value(right)
    is_many = other is not None and other.kind is Kind.MANY
    return is_many or isinstance(right, ast.List | ast.Tuple | ast.Set | ast.ListComp)


def _is_boolean(at: Context, node: ast.expr) -> bool:
    """Whether an expression is a column that is true or false."""
    held = at.value(node)
    if held is None or held.kind is not Kind.COLUMN or held.model is None:
        return False
    return held.model.attributes[held.name].hint.name in ("bool", "builtins.bool")


def _is_column(at: Context, node: ast.expr) -> bool:
    held = at.value(node)
    return held is not None and held.kind in (Kind.COLUMN, Kind.RELATION)


def _is_sqlmodel(at: Context, node: ast.expr) -> bool:
    held = at.value(node)
    return held is not None and held.model is not None and held.model.sqlmodel


def _is_sql(at: Context, node: ast.expr) -> bool:
    """Whether an expression is a condition on a column."""
    match node:
        case ast.Compare(left=left, comparators=others):
            return any(_is_column(at, one) for one in (left, *others))
        case ast.UnaryOp(operand=operand):
            return _is_sql(at, operand)
        case ast.BoolOp(values=values):
            return all(_is_sql(at, one) for one in values)
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            return _is_column(at, value) and name in (
                "is_", "is_not", "in_", "not_in", "like", "ilike", "contains", "startswith",
                "endswith", "any", "has", "between", "isnot", "notin_", "icontains",
            )  # fmt: skip
        case _:
            return _is_column(at, node)
