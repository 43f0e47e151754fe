"""The rule CLN401, sslmode-for-asyncpg."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib
from colonnade.lint.rules.configuration._engines import URL, engines, literal_dict, url_text

ENGINES = (lib.CREATE_ENGINE, lib.CREATE_ASYNC_ENGINE)
SETTINGS = ("getenv", "get", "setdefault", "Field")  # calls whose default is the engine's URL
URL_PARENTS = (ast.Assign, ast.AnnAssign, ast.Return, ast.Dict, ast.arguments)
MESSAGE = "asyncpg does not accept `sslmode`, and raises TypeError"
ADVICE = "Use `ssl` instead of `sslmode`"


class SSLModeForAsyncpg(Rule):
    """`sslmode` is passed to asyncpg, which does not accept it.

    The first connection raises `TypeError: connect() got an unexpected keyword argument 'sslmode'`.
    asyncpg's name for it is `ssl`. Colonnade's `Database` accepts both names for both drivers.
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
                or not _has_sslmode(value)
                or not _is_engine_url(context, node)
            ):
                continue
            text = context.editor.text(node)
            fix = None
            if text.count("sslmode=") == 1:
                start = context.editor.start(node) + text.index("sslmode=")
                edit = Edit(start, start + len("sslmode="), "ssl=")
                fix = Fix("Use `ssl=`", (edit,), safe=_is_passed_to_engine(context, node))
            hidden = URL.search(value) is not None
            yield context.finding(self.code, node, MESSAGE, fix=fix, advice=ADVICE, hidden=hidden)
        for joined in context.module.nodes(ast.JoinedStr):
            value = url_text(context, joined)
            if value is not None and _has_sslmode(value) and _is_engine_url(context, joined):
                yield context.finding(self.code, joined, MESSAGE, advice=ADVICE, hidden=True)
        for _, options, url in engines(context):
            connect_args = literal_dict(context, options.get("connect_args"))
            is_asyncpg = url is not None and "+asyncpg" in url
            if connect_args is not None and is_asyncpg:
                for key in connect_args.keys:
                    if isinstance(key, ast.Constant) and key.value == "sslmode":
                        if key not in context.module.parents:  # in another file
                            yield context.finding(self.code, options["connect_args"], MESSAGE)
                            continue
                        fix = Fix("Use `ssl`", (context.editor.replace(key, '"ssl"'),), safe=True)
                        yield context.finding(self.code, key, MESSAGE, fix=fix)


def _is_passed_to_engine(context: Context, node: ast.expr) -> bool:
    """Whether a string is an argument of the call that creates an engine."""
    parent = context.module.parent(node)
    call = context.module.parent(parent) if isinstance(parent, ast.keyword) else parent
    return isinstance(call, ast.Call) and context.resolve(call.func) in ENGINES


def _is_engine_url(context: Context, node: ast.expr) -> bool:
    """Whether a string is probably the URL of an engine.

    In tests, comparisons, docstrings and arguments of other functions it may be any text.
    """
    if _is_passed_to_engine(context, node):
        return True
    parent = context.module.parent(node)
    call = context.module.parent(parent) if isinstance(parent, ast.keyword) else parent
    if isinstance(call, ast.Call):
        func = call.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        return not context.is_test and name in SETTINGS
    return not context.is_test and isinstance(parent, URL_PARENTS)


def _has_sslmode(text: str) -> bool:
    """Whether a string is a URL for asyncpg with ``sslmode``, and nothing else."""
    return "+asyncpg://" in text and "sslmode=" in text and not re.search(r"\s", text)
