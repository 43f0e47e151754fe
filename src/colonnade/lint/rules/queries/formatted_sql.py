"""CLN306."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import parameters
from colonnade.lint.rules._syntax import is_name

PUT_IN = "\0"
VALUE = re.compile(
    r"(=|<|>|'|%|\b(like|ilike|in|values|limit|offset|between|and|set)\b)\s*\(?\s*['%\"]*\0",
    re.IGNORECASE,
)
NAMES_OF_TABLES = (
    "__tablename__", "name", "fullname", "schema", "__table__", "tablename", "key", "columns",
)  # fmt: skip
KEEPS = (
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
    """SQL is put together with an f-string, `%`, `format` or `+`.

    What is put in becomes SQL: whoever chooses it can read and write everything (SQL injection).
    Use a bound parameter: `text("... WHERE title = :title").bindparams(title=title)`. Found where
    what is put in is a parameter of the function that may be text, or is made of one, and stands
    where a value does, or the function answers requests.
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
            put_in = list(_put_in(argument))
            served = context.module.enclosing_function(call) in context.request_functions
            if (served or _is_value(argument)) and any(
                _from_outside(context, expression) for expression in put_in
            ):
                message = "what is put into this SQL is run as SQL"
                advice = 'Bind it: `text("... = :name").bindparams(name=...)`'
                yield context.finding(self.code, argument, message, advice=advice, whole=False)

    def _takes_sql(self, context: Context, call: ast.Call) -> bool:
        if context.resolve(call.func) == lib.TEXT:
            return True
        if isinstance(call.func, ast.Attribute) and call.func.attr == "exec_driver_sql":
            return True
        return context.session_of(call) is not None and isinstance(call.args[0], ast.JoinedStr)


def _is_value(node: ast.expr) -> bool:
    """Whether what is put in stands where a value does, not the name of a table."""
    text = "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else PUT_IN
        for part in ast.walk(node)
        if isinstance(part, ast.Constant | ast.FormattedValue)
    )
    return VALUE.search(text) is not None or not isinstance(node, ast.JoinedStr)


def _put_in(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.JoinedStr(values=values):
            yield from (value.value for value in values if isinstance(value, ast.FormattedValue))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            for side in (left, right):
                if isinstance(side, ast.BinOp | ast.JoinedStr):
                    yield from _put_in(side)
                elif not isinstance(side, ast.Constant):
                    yield side
        case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod(), right=right):
            yield from right.elts if isinstance(right, ast.Tuple) else [right]
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()), attr="format")):
            yield from (*node.args, *(keyword.value for keyword in node.keywords))


def _from_outside(context: Context, node: ast.expr, depth: int = 0) -> bool:  # noqa: C901 - one case a node
    """Whether a text may be what a caller, and in the end a client, gave.

    A parameter that is text, or of no known type, is; so is what is made of one. Constants, tables
    and their names, numbers, quoted names and what functions of the program answer are not.
    """
    if depth > 6:
        return False
    match node:
        case ast.Name():
            return _name_from_outside(context, node, depth)
        case ast.Attribute(value=value, attr=name):
            if name.isupper() or name in NAMES_OF_TABLES:
                return False
            return _from_outside(context, value, depth + 1)
        case ast.Call(func=func, args=arguments):
            name = ast.unparse(func).lower()
            if any(word in name for word in ("quote", "ident", "escape", "literal", "compile")):
                return False
            inner = list(arguments) if isinstance(func, ast.Attribute) or name == "str" else []
            if isinstance(func, ast.Attribute) and func.attr in KEEPS:
                inner = [func.value, *(arguments if func.attr in ("join", "format") else ())]
            elif name != "str":
                return False
            return any(_from_outside(context, part, depth + 1) for part in inner)
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
            return _from_outside(context, element, depth + 1)
        case ast.JoinedStr() | ast.BinOp():
            return any(_from_outside(context, part, depth + 1) for part in _put_in(node))
        case ast.Subscript(value=value):
            return _from_outside(context, value, depth + 1)
        case ast.IfExp(body=body, orelse=orelse):
            return any(_from_outside(context, branch, depth + 1) for branch in (body, orelse))
    return False


def _name_from_outside(context: Context, node: ast.Name, depth: int) -> bool:
    function = context.module.enclosing_function(node)
    if function is None or node.id.isupper():
        return False
    for name, default in parameters(function):
        if name.arg == node.id:
            hint = context.hint(name.annotation)
            depends = isinstance(default, ast.Call) and context.resolve(default.func) in lib.DEPENDS
            may_be_text = (
                hint.name in ("str", "builtins.str", "typing.Any") or name.annotation is None
            )
            return (
                may_be_text
                and not depends
                and not hint.literals
                and name.arg not in ("self", "cls")
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
    return any(_from_outside(context, value, depth + 1) for value in values)
