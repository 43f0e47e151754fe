"""The rule CLN306, formatted-sql."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import parameters
from colonnade.lint.rules._syntax import is_name

INSERTED = "\0"  # stands for an inserted expression
VALUE = re.compile(
    r"(=|<|>|'|%|\b(like|ilike|in|values|limit|offset|between|and|set)\b)\s*\(?\s*['%\"]*\0",
    re.IGNORECASE,
)
TABLE_NAME_ATTRIBUTES = (
    "__tablename__", "name", "fullname", "schema", "__table__", "tablename", "key", "columns",
)  # fmt: skip
TEXT_METHODS = (
    "join",
    "format",
    "strip",
    "lower",
    "upper",
    "replace",
    "get",
    "split",
    "removesuffix",
    "title",
)


class FormattedSQL(Rule):
    """SQL is built with an f-string, `%`, `format` or `+`.

    The inserted text becomes SQL: whoever controls it can read and change everything (SQL
    injection). Use a bound parameter: `text("... WHERE title = :title").bindparams(title=title)`.
    The rule reports text that comes from a parameter of the function, if it is inserted where SQL
    expects a value or if the function handles requests.
    """

    code = "CLN306"
    name = "formatted-sql"
    in_tests = False
    in_migrations = False
    source = "https://docs.sqlalchemy.org/en/21/core/sqlelement.html#sqlalchemy.sql.expression.text"
    bad = """
from sqlmodel import Session, text


def find(session: Session, title: str):
    return session.exec(text(f"SELECT id FROM task WHERE title = '{title}'")).all()  # CLN306
"""
    good = """
from sqlmodel import Session, text


def find(session: Session, title: str):
    statement = text("SELECT id FROM task WHERE title = :title")
    return session.exec(statement.bindparams(title=title)).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("text", "exec_driver_sql", "execute", "exec"):
            if not call.args or not self._takes_sql(context, call):
                continue
            argument = call.args[0]
            handles_requests = context.module.enclosing_function(call) in context.request_functions
            if (handles_requests or _inserts_value(argument)) and any(
                _is_from_outside(context, expression) for expression in _inserted(argument)
            ):
                message = "text that is inserted into this SQL is executed as SQL"
                advice = 'Bind the value: `text("... = :name").bindparams(name=...)`'
                yield context.finding(self.code, argument, message, advice=advice, whole=False)

    def _takes_sql(self, context: Context, call: ast.Call) -> bool:
        if context.resolve(call.func) == lib.TEXT:
            return True
        if isinstance(call.func, ast.Attribute) and call.func.attr == "exec_driver_sql":
            return True
        return context.session_of(call) is not None and isinstance(call.args[0], ast.JoinedStr)


def _inserts_value(node: ast.expr) -> bool:
    """Whether something is inserted where SQL expects a value, not the name of a table."""
    text = "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else INSERTED
        for part in ast.walk(node)
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )
    return VALUE.search(text) is not None or not isinstance(node, ast.JoinedStr)


def _inserted(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the expressions that are inserted into a text."""
    match node:
        case ast.JoinedStr(values=values):
            yield from (value.value for value in values if isinstance(value, ast.FormattedValue))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            for side in (left, right):
                if isinstance(side, ast.BinOp | ast.JoinedStr):
                    yield from _inserted(side)
                elif not isinstance(side, ast.Constant):
                    yield side
        case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod(), right=right):
            yield from right.elts if isinstance(right, ast.Tuple) else [right]
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()), attr="format")):
            yield from (*node.args, *(keyword.value for keyword in node.keywords))


def _is_from_outside(context: Context, node: ast.expr, depth: int = 0) -> bool:  # noqa: C901 - one case a node
    """Whether an expression may contain text from the caller, and ultimately from a client.

    A parameter that is text or has no annotation may, and so may everything that is built from it.
    Constants, tables and their names, numbers, quoted names and results of functions do not.
    """
    if depth > 6:
        return False
    match node:
        case ast.Name():
            return _is_name_from_outside(context, node, depth)
        case ast.Attribute(value=value, attr=name):
            if name.isupper() or name in TABLE_NAME_ATTRIBUTES:
                return False
            return _is_from_outside(context, value, depth + 1)
        case ast.Call(func=func, args=arguments):
            name = ast.unparse(func).lower()
            if any(word in name for word in ("quote", "ident", "escape", "literal", "compile")):
                return False
            inner = list(arguments) if isinstance(func, ast.Attribute) or name == "str" else []
            if isinstance(func, ast.Attribute) and func.attr in TEXT_METHODS:
                inner = [func.value, *(arguments if func.attr in ("join", "format") else ())]
            elif name != "str":
                return False
            return any(_is_from_outside(context, part, depth + 1) for part in inner)
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
            return _is_from_outside(context, element, depth + 1)
        case ast.JoinedStr() | ast.BinOp():
            return any(_is_from_outside(context, part, depth + 1) for part in _inserted(node))
        case ast.Subscript(value=value):
            return _is_from_outside(context, value, depth + 1)
        case ast.IfExp(body=body, orelse=orelse):
            return any(_is_from_outside(context, branch, depth + 1) for branch in (body, orelse))
    return False


def _is_name_from_outside(context: Context, node: ast.Name, depth: int) -> bool:
    function = context.module.enclosing_function(node)
    if function is None or node.id.isupper():
        return False
    for parameter, default in parameters(function):
        if parameter.arg == node.id:
            hint = context.hint(parameter.annotation)
            depends = isinstance(default, ast.Call) and context.resolve(default.func) in lib.DEPENDS
            may_be_text = (
                hint.name in ("str", "builtins.str", "typing.Any") or parameter.annotation is None
            )
            return (
                may_be_text
                and not depends
                and not hint.literals
                and parameter.arg not in ("self", "cls")
            )
    values: list[ast.expr] = []
    for assignment in ast.walk(function):
        if isinstance(assignment, ast.Assign) and any(
            is_name(target, node.id) for target in assignment.targets
        ):
            values.append(assignment.value)
        elif isinstance(assignment, ast.For | ast.comprehension) and is_name(
            assignment.target, node.id
        ):
            values.append(assignment.iter)
    return any(_is_from_outside(context, value, depth + 1) for value in values)
