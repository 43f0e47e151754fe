"""The engines that a module creates."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint.project import _known_names as lib

URL = re.compile(
    r"\b(?P<scheme>(?:postgres(?:ql)?|mysql|mariadb|oracle|mssql|cockroachdb|mongodb|redis|amqp)"
    r"(?:\+\w+)?)://(?P<user>[^:/@\s{}]*):(?P<password>[^@/\s]+)@(?P<host>[^/\s:?]*)"
)
ENGINES = ("create_engine", "create_async_engine")


def engines(context: Context) -> Iterator[tuple[ast.Call, dict[str | None, ast.expr], str | None]]:
    """Yield each call that creates an engine, its options, and its URL if that is a literal."""
    for call in context.module.calls_named(*ENGINES):
        if context.resolve(call.func) in (lib.CREATE_ENGINE, lib.CREATE_ASYNC_ENGINE):
            options = {keyword.arg: keyword.value for keyword in call.keywords}
            node = call.args[0] if call.args else options.get("url")
            yield call, options, url_text(context, node)


def url_text(context: Context, node: ast.expr | None) -> str | None:
    """The text of a literal or an f-string, with `{}` for the inserted values; None if unknown."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values
            )
        case ast.Name():
            definition = context.project.definition(context.resolve(node))
            value = getattr(definition[0], "value", None) if definition is not None else None
            if isinstance(value, ast.Constant | ast.JoinedStr):
                return url_text(context, value)
    return None


def literal_dict(context: Context, node: ast.expr | None) -> ast.Dict | None:
    """A dict that is written here, or assigned to the name that is; None if it is unknown."""
    if isinstance(node, ast.Name):
        definition = context.project.definition(context.resolve(node))
        node = getattr(definition[0], "value", None) if definition is not None else None
    return node if isinstance(node, ast.Dict) else None
