"""CLN401."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Edit, Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules._engines import URL, engines, url_text


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

    def check(self, at: Context) -> Iterator[Finding]:
        for node in at.module.nodes(ast.Constant):
            value = node.value
            if not isinstance(value, str) or not _is_wrong(value):
                continue
            if isinstance(at.module.parent(node), ast.Expr | ast.JoinedStr):
                continue  # a docstring; a part of what is put together
            text = at.edit.text(node)
            fix = None
            if text.count("sslmode=") == 1:
                start = at.edit.start(node) + text.index("sslmode=")
                fix = Fix("Say `ssl=`", (Edit(start, start + len("sslmode="), "ssl="),), safe=True)
            message = "asyncpg does not know `sslmode`: it is `ssl` there"
            yield at.find(self.code, node, message, fix=fix, hidden=URL.search(value) is not None)
        for joined in at.module.nodes(ast.JoinedStr):
            value = url_text(at, joined)
            if value is not None and _is_wrong(value):
                message = "asyncpg does not know `sslmode`: it is `ssl` there"
                yield at.find(self.code, joined, message, hidden=True)
        for _, options, url in engines(at):
            given = options.get("connect_args")
            is_asyncpg = url is not None and "+asyncpg" in url
            if isinstance(given, ast.Dict) and is_asyncpg:
                for key in given.keys:
                    if isinstance(key, ast.Constant) and key.value == "sslmode":
                        message = "asyncpg does not know `sslmode`: it is `ssl` there"
                        fix = Fix("Say `ssl`", (at.edit.replace(key, '"ssl"'),), safe=True)
                        yield at.find(self.code, key, message, fix=fix)


def _is_wrong(text: str) -> bool:
    """Whether a text is a URL, and nothing else, that says ``sslmode`` to asyncpg."""
    return "+asyncpg://" in text and "sslmode=" in text and not re.search(r"\s", text)
