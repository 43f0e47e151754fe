"""The rule CLN301, python-condition."""

import ast
from collections.abc import Iterator
from functools import partial

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._examples import SYNC, models

JOINS = ("join", "outerjoin")
CONDITIONS = ("where", "filter", "having", "on", "onclause", "and_", "or_", "not_", *JOINS)
METHODS = {
    ast.Is: ("is", "is_"),
    ast.IsNot: ("is not", "is_not"),
    ast.In: ("in", "in_"),
    ast.NotIn: ("not in", "not_in"),
}


class PythonCondition(Rule):
    """A condition uses `and`, `or`, `not`, `is` or `in` with a column.

    Python evaluates these operators itself, without the database: `Task.done is None` is False for
    every row, `not Task.done` raises or is False, and `a and b` is only one of the two. Use
    `is_()`, `in_()`, `~`, `&` and `|`, or pass several conditions, which are combined with AND.
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

    def check(self, context: Context) -> Iterator[Finding]:
        checked: set[ast.AST] = set()
        for call in context.module.calls_named(*CONDITIONS):
            if not self._is_condition(context, call):
                continue
            joins = isinstance(call.func, ast.Attribute) and call.func.attr in JOINS
            for argument in call.args[1:] if joins else call.args:
                checked.update(ast.walk(argument))
                yield from self._check_condition(context, argument)
        for node in context.module.nodes(ast.BoolOp):  # which becomes a condition elsewhere
            if node not in checked and any(map(partial(_is_value, context), node.values[:-1])):
                checked.update(ast.walk(node))
                yield from self._check_condition(context, node)

    def _is_condition(self, context: Context, call: ast.Call) -> bool:
        if isinstance(call.func, ast.Name):
            return context.resolve(call.func).startswith("sqlalchemy.")
        inferred = context.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
        if inferred is not None:
            return inferred.kind in (Kind.STATEMENT, Kind.QUERY)
        return isinstance(call.func, ast.Attribute) and call.func.attr == "where"

    def _check_condition(self, context: Context, node: ast.expr) -> Iterator[Finding]:
        match node:
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr(), right=right):
                yield from self._check_condition(context, left)
                yield from self._check_condition(context, right)
            case ast.UnaryOp(op=ast.Invert(), operand=operand):
                yield from self._check_condition(context, operand)
            case ast.BoolOp(op=op, values=values) if any(
                _is_sql(context, value) for value in values
            ):
                word = "and" if isinstance(op, ast.And) else "or"
                sign = "&" if word == "and" else "|"
                message = f"Python evaluates `{word}`, so only one of the conditions is used"
                advice = f"Use `{word}_(...)`, or `{sign}` with each side in parentheses"
                fix = _fix(context, node, f"Use `{sign}`")
                yield context.finding(self.code, node, message, fix=fix, advice=advice)
            case ast.UnaryOp(op=ast.Not(), operand=operand) if _is_sql(context, operand):
                message = "Python evaluates `not` once, not for each row"
                fix = _fix(context, node, "Use `~`")
                yield context.finding(
                    self.code, node, message, fix=fix, advice="Use `~`, or `not_()`"
                )
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                method = METHODS.get(type(op))
                if method is not None and (_is_column(context, left) or _is_column(context, right)):
                    message = f"Python evaluates `{method[0]}` once, not for each row"
                    advice = f"Use `{method[1]}()`"
                    fix = _fix(context, node, advice)
                    yield context.finding(self.code, node, message, fix=fix, advice=advice)
            case ast.Compare(left=left, comparators=others):
                if any(_is_column(context, side) for side in (left, *others)):
                    message = (
                        "Python evaluates this chain of comparisons with `and`, which raises "
                        "TypeError"
                    )
                    yield context.finding(
                        self.code, node, message, advice="Use `between()`, or two conditions"
                    )


def _is_value(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a condition in SQL, which is neither true nor false in Python."""
    inferred = context.value(node)
    return inferred is not None and inferred.kind is Kind.CONDITION


def _fix(context: Context, node: ast.expr, message: str) -> Fix | None:
    """The fix that rewrites a condition as SQL; None if a part of it cannot be rewritten."""
    imports: list[Edit] = []
    edits = _condition_edits(context, node, imports)
    if edits is None:
        return None
    return Fix(message, (*edits, *dict.fromkeys(imports)), safe=True)


def _condition_edits(context: Context, node: ast.expr, imports: list[Edit]) -> list[Edit] | None:
    """The edits that rewrite a condition as SQL; None if a part of it is not a condition."""
    match node:
        case ast.BoolOp():
            return _bool_op_edits(context, node, imports)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _condition_edits(context, operand, imports)
            return None if inner is None else [*_not_edits(context, node), *inner]
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in METHODS:
            return _method_call_edits(context, node, left, right, METHODS[type(op)][1], imports)
        case ast.Compare(ops=[_]) | ast.Call():
            return [] if _is_sql(context, node) else None
        case _:
            return [] if _is_boolean(context, node) else None


def _bool_op_edits(context: Context, node: ast.BoolOp, imports: list[Edit]) -> list[Edit] | None:
    word, sign = ("and", "&") if isinstance(node.op, ast.And) else ("or", "|")
    edits: list[Edit] = []
    for index, value in enumerate(node.values):
        inner = _condition_edits(context, value, imports)
        if inner is None:
            return None
        edits += [
            context.editor.insert_before(value, "("),
            *inner,
            context.editor.insert_after(value, ")"),
        ]
        if index:
            end = context.editor.end(node.values[index - 1])
            start = end + context.editor.code_between(end, context.editor.start(value)).index(word)
            edits.append(Edit(start, start + len(word), sign))
    return edits


def _not_edits(context: Context, node: ast.UnaryOp) -> list[Edit]:
    """Replace ``not`` with ``~``, with parentheses where it would apply to the first name only."""
    start, operand = context.editor.start(node), node.operand
    between = context.module.source.text[start : context.editor.start(operand)]
    word = between[: len(between) - len(between[len("not") :].lstrip())]
    edits = [Edit(start, start + len(word), "~")]
    if "(" not in between and not isinstance(operand, ast.Attribute | ast.Name | ast.Call):
        edits += [
            context.editor.insert_before(operand, "("),
            context.editor.insert_after(operand, ")"),
        ]
    return edits


def _method_call_edits(
    context: Context,
    node: ast.Compare,
    left: ast.expr,
    right: ast.expr,
    name: str,
    imports: list[Edit],
) -> list[Edit] | None:
    if (
        not _is_column(context, left)
        or _is_column(context, right)
        or not _accepts(context, left, name, right)
    ):
        return None
    if "#" in context.editor.text(node):  # probably a comment, which would be lost
        return None
    text = context.editor.text(left)
    local_col = None if text.startswith("col(") else context.editor.local_name("sqlmodel", "col")
    if local_col is not None and _is_sqlmodel(context, left):
        text = f"{local_col[0]}({text})"
        imports += local_col[1]
    return [context.editor.replace(node, f"{text}.{name}({context.editor.text(right)})")]


def _accepts(context: Context, left: ast.expr, name: str, right: ast.expr) -> bool:
    """Whether a column's method certainly accepts the right side."""
    inferred = context.value(left)
    if name in ("is_", "is_not"):
        is_column = inferred is not None and inferred.kind is Kind.COLUMN
        value = right.value if isinstance(right, ast.Constant) else ...
        return value is None or (is_column and isinstance(value, bool))
    other = context.value(right)
    is_collection = other is not None and other.kind is Kind.COLLECTION
    return is_collection or isinstance(right, ast.List | ast.Tuple | ast.Set | ast.ListComp)


def _is_boolean(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a boolean column."""
    inferred = context.value(node)
    if inferred is None or inferred.kind is not Kind.COLUMN or inferred.model is None:
        return False
    return inferred.model.fields[inferred.name].hint.name in ("bool", "builtins.bool")


def _is_column(context: Context, node: ast.expr) -> bool:
    inferred = context.value(node)
    return inferred is not None and inferred.kind in (Kind.COLUMN, Kind.RELATION)


def _is_sqlmodel(context: Context, node: ast.expr) -> bool:
    inferred = context.value(node)
    return inferred is not None and inferred.model is not None and inferred.model.is_sqlmodel


def _is_sql(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a condition on a column."""
    match node:
        case ast.Compare(left=left, comparators=others):
            return any(_is_column(context, side) for side in (left, *others))
        case ast.UnaryOp(operand=operand):
            return _is_sql(context, operand)
        case ast.BoolOp(values=values):
            return all(_is_sql(context, operand) for operand in values)
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            return _is_column(context, value) and name in (
                "is_", "is_not", "in_", "not_in", "like", "ilike", "contains", "startswith",
                "endswith", "any", "has", "between", "isnot", "notin_", "icontains",
            )  # fmt: skip
        case _:
            return _is_column(context, node) or _is_value(context, node)
