"""CLN401."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules.configuration._engines import URL, engines, url_text

ENGINES = (lib.CREATE_ENGINE, lib.CREATE_ASYNC_ENGINE)
SETTINGS = ("getenv", "get", "setdefault", "Field")  # whose default is the URL of an engine
HOLDERS = (ast.Assign, ast.AnnAssign, ast.Return, ast.Dict, ast.arguments)
MESSAGE = "asyncpg does not know `sslmode`: it is `ssl` there"


class SSLModeForAsyncpg(Rule):
    """`sslmode` is given to asyncpg, which does not know it.

    `TypeError: connect() got an unexpected keyword argument 'sslmode'`, when the first connection
    is made. asyncpg's name is `ssl`; Colonnade's `Database` takes either for both drivers.
    """

    code = "CLN401"
    name = "sslmode-for-asyncpg"
    fixes = "safe"
    bad = """
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine("postgresql+asyncpg://db.example.com/tasks?sslmode=require")  # CLN401
"""
    good = """
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_async_engine("postgresql+asyncpg://db.example.com/tasks?ssl=require")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.nodes(ast.Constant):
            value = node.value
            if (
                not isinstance(value, str)
                or not _is_wrong(value)
                or not _is_for_engine(context, node)
            ):
                continue
            text = context.editor.text(node)
            fix = None
            if text.count("sslmode=") == 1:
                start = context.editor.start(node) + text.index("sslmode=")
                edit = Edit(start, start + len("sslmode="), "ssl=")
                fix = Fix("Say `ssl=`", (edit,), safe=_is_given_to_engine(context, node))
            yield context.finding(
                self.code, node, MESSAGE, fix=fix, hidden=URL.search(value) is not None
            )
        for joined in context.module.nodes(ast.JoinedStr):
            value = url_text(context, joined)
            if value is not None and _is_wrong(value) and _is_for_engine(context, joined):
                yield context.finding(self.code, joined, MESSAGE, hidden=True)
        for _, options, url in engines(context):
            connect_args = options.get("connect_args")
            is_asyncpg = url is not None and "+asyncpg" in url
            if isinstance(connect_args, ast.Dict) and is_asyncpg:
                for key in connect_args.keys:
                    if isinstance(key, ast.Constant) and key.value == "sslmode":
                        fix = Fix("Say `ssl`", (context.editor.replace(key, '"ssl"'),), safe=True)
                        yield context.finding(self.code, key, MESSAGE, fix=fix)


def _is_given_to_engine(context: Context, node: ast.expr) -> bool:
    """Whether a text is written where an engine is made, and is used for nothing else."""
    parent = context.module.parent(node)
    call = context.module.parent(parent) if isinstance(parent, ast.keyword) else parent
    return isinstance(call, ast.Call) and context.resolve(call.func) in ENGINES


def _is_for_engine(context: Context, node: ast.expr) -> bool:
    """Whether a text is the URL of an engine, as far as can be told.

    In a test, a comparison or a docstring it is a text, and so is what other functions are given.
    """
    if _is_given_to_engine(context, node):
        return True
    parent = context.module.parent(node)
    call = context.module.parent(parent) if isinstance(parent, ast.keyword) else parent
    if isinstance(call, ast.Call):
        func = call.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        return not context.is_test and name in SETTINGS
    return not context.is_test and isinstance(parent, HOLDERS)


def _is_wrong(text: str) -> bool:
    """Whether a text is a URL, and nothing else, that says ``sslmode`` to asyncpg."""
    return "+asyncpg://" in text and "sslmode=" in text and not re.search(r"\s", text)
