"""The rule CLN305, unescaped-like."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._modules import parameters
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import is_name

TEXT_TYPES = ("", "str", "builtins.str")
LIKE_METHODS = ("like", "ilike", "not_like", "not_ilike", "notlike", "notilike")
SEARCH_METHODS = ("contains", "startswith", "endswith", "icontains", "istartswith", "iendswith")
MESSAGE = "`%` and `_` in the search text match anything, because they are not escaped"

CLEANED = re.compile(
    r"escape|replace\(|translate\(|\bsub\(|\.is(digit|decimal|numeric|alnum|alpha)\("
)
"""Code that escapes a text, takes signs out of it, or tests that it has none."""
MAX_STEPS = 3
"""Assignments through which a text is followed."""


class UnescapedLike(Rule):
    """Text from outside is used in a LIKE without escaping its `%` and `_`.

    A search for `100%` or `a_b` finds other rows, and `%` alone finds all of them. `contains(text,
    autoescape=True)` (and `icontains`, `startswith`, ...) searches for the literal text.
    """

    code = "CLN305"
    name = "unescaped-like"
    in_tests = False
    in_migrations = False
    fixes = "unsafe"
    source = "https://docs.sqlalchemy.org/en/21/core/sqlelement.html#sqlalchemy.sql.expression.ColumnOperators.contains"
    bad = f"""{models("col")}

def search(session: Session, text: str):
    return session.exec(select(Task).where(col(Task.title).ilike(f"%{{text}}%"))).all()  # CLN305
"""
    good = f"""{models("col")}

def search(session: Session, text: str):
    return session.exec(select(Task).where(col(Task.title).icontains(text, autoescape=True))).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(*LIKE_METHODS):
            func = call.func
            if (
                not isinstance(func, ast.Attribute)
                or not call.args
                or not _is_column(context, func.value)
            ):
                continue
            if any(keyword.arg == "escape" for keyword in call.keywords) or len(call.args) > 1:
                continue
            inner = _search_text(call.args[0])
            if inner is not None and not _needs_no_escape(context, inner):
                fix = _escape_fix(context, call, func, inner)
                advice = "Use `contains(..., autoescape=True)`"
                yield context.finding(self.code, call.args[0], MESSAGE, fix=fix, advice=advice)
        for call in context.module.calls_named(*SEARCH_METHODS):
            func = call.func
            if (
                not isinstance(func, ast.Attribute)
                or not call.args
                or not _is_text(context, func.value)
            ):
                continue
            if any(keyword.arg in ("autoescape", "escape") for keyword in call.keywords):
                continue
            if not isinstance(call.args[0], ast.Constant) and not _needs_no_escape(
                context, call.args[0]
            ):
                edits = context.editor.add_argument(call, "autoescape=True")
                fix = Fix("Add `autoescape=True`", edits, safe=False)
                yield context.finding(self.code, call, MESSAGE, fix=fix)


def _is_column(context: Context, node: ast.expr) -> bool:
    inferred = context.value(node)
    if inferred is not None:
        return inferred.kind is Kind.COLUMN
    text = ast.unparse(node)
    return text.startswith(("func.", "cast(", "col(")) or _is_unknown_parameter(context, node)


def _is_unknown_parameter(context: Context, node: ast.expr) -> bool:
    """Whether an expression is a parameter without annotation: only columns have ``ilike``."""
    function = context.module.enclosing_function(node)
    return function is not None and any(
        is_name(node, parameter.arg) and parameter.annotation is None
        for parameter, _ in parameters(function)
    )


def _is_text(context: Context, node: ast.expr) -> bool:
    inferred = context.value(node)
    if inferred is None or inferred.kind is not Kind.COLUMN or inferred.model is None:
        return False
    field = inferred.model.fields.get(inferred.name)
    return (
        field is not None
        and field.hint.name in ("str", "builtins.str")
        and not field.hint.collection
    )


def _search_text(pattern: ast.expr) -> ast.expr | None:
    """The expression between the wildcards of a pattern, or None."""
    match pattern:
        case ast.JoinedStr(values=values):
            inner = [value.value for value in values if isinstance(value, ast.FormattedValue)]
            fixed = [value.value for value in values if isinstance(value, ast.Constant)]
            wild = any("%" in str(text) for text in fixed)
            return inner[0] if len(inner) == 1 and wild else None
        case ast.BinOp(left=ast.BinOp(left=ast.Constant(value="%"), op=ast.Add(), right=inner),
                       op=ast.Add(), right=ast.Constant(value="%")):  # fmt: skip
            return inner
        case ast.BinOp(left=inner, op=ast.Add(), right=ast.Constant(value="%")):
            return inner
        case ast.BinOp(left=ast.Constant(value="%"), op=ast.Add(), right=inner):
            return inner
    return None


def _needs_no_escape(context: Context, inner: ast.expr) -> bool:
    """Whether a text is escaped already, or certainly does not come from a client."""
    if isinstance(inner, ast.JoinedStr):
        values = [value.value for value in inner.values if isinstance(value, ast.FormattedValue)]
        return all(_needs_no_escape(context, value) for value in values)
    function = context.module.enclosing_function(inner)
    for parameter, _ in parameters(function) if function is not None else ():
        if (
            is_name(inner, parameter.arg)
            and context.hint(parameter.annotation).name not in TEXT_TYPES
        ):
            return True
    if isinstance(inner, ast.Name) and inner.id.isupper():
        return True
    return any(CLEANED.search(text) for text in _origins(context, inner))


def _origins(context: Context, node: ast.expr, depth: int = 0) -> Iterator[str]:
    """Yield the code that a text goes through: what it is assigned, and the functions called."""
    yield ast.unparse(node)
    if depth > MAX_STEPS:
        return
    for call in ast.walk(node):
        inferred = context.value(call.func) if isinstance(call, ast.Call) else None
        called = context.project.called_function(inferred.name) if inferred is not None else None
        if called is not None:
            yield ast.unparse(called[0])
    function = context.module.enclosing_function(node) or context.module.tree
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    for test in context.module.ancestors(node):
        if isinstance(test, ast.If) and any(
            isinstance(name, ast.Name) and name.id in names for name in ast.walk(test.test)
        ):
            yield ast.unparse(test.test)
    for binding in ast.walk(function):
        match binding:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names:
                yield from _origins(context, value, depth + 1)
            case ast.For(target=ast.Name(id=name), iter=value) if name in names:
                yield from _origins(context, value, depth + 1)
            case ast.comprehension(target=ast.Name(id=name), iter=value) if name in names:
                yield from _origins(context, value, depth + 1)


def _escape_fix(
    context: Context, call: ast.Call, func: ast.Attribute, inner: ast.expr
) -> Fix | None:
    pattern = call.args[0]
    first = last = False
    if isinstance(pattern, ast.JoinedStr):
        values = pattern.values
        texts = [value.value for value in values if isinstance(value, ast.Constant)]
        if any(text != "%" for text in texts):
            return None
        first, last = isinstance(values[0], ast.Constant), isinstance(values[-1], ast.Constant)
        formatted = next(value for value in values if isinstance(value, ast.FormattedValue))
        if formatted.conversion != -1 or formatted.format_spec is not None:
            return None
    elif isinstance(pattern, ast.BinOp):
        last = isinstance(pattern.right, ast.Constant)
        left = pattern.left
        first = isinstance(left, ast.Constant | ast.BinOp)
    if func.attr not in ("like", "ilike"):
        return None
    kind = {(True, True): "contains", (False, True): "startswith", (True, False): "endswith"}[
        first, last
    ]
    name = f"i{kind}" if func.attr == "ilike" else kind
    edits: tuple[Edit, ...] = (
        context.editor.replace(
            call, f"{context.editor.text(func.value)}.{name}({ast.unparse(inner)}, autoescape=True)"
        ),
    )
    return Fix(f"Use `{name}(..., autoescape=True)`", edits, safe=False)
