"""CLN404."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.configuration._engines import engines

SAME = 5  # the size of SQLAlchemy's pool for SQLite in memory, where a thread has a connection


class PoolOnSQLite(Rule):
    """An engine on SQLite is given the size of a pool.

    In memory it raises (`Invalid argument(s) 'max_overflow' sent to create_engine()`), or says how
    many threads keep their own database; for a file it makes connections that wait for each
    other, since SQLite has one writer. Leave it out.
    """

    code = "CLN404"
    name = "pool-on-sqlite"
    fixes = "safe"
    bad = """
from sqlmodel import create_engine

engine = create_engine("sqlite://", pool_size=20)  # CLN404
"""
    good = """
from sqlmodel import create_engine

engine = create_engine("sqlite://")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call, options, url in engines(context):
            if url is None or not url.startswith("sqlite"):
                continue
            for keyword in call.keywords:
                if keyword.arg in ("pool_size", "max_overflow", "pool_timeout"):
                    edit = context.editor.remove_argument(call, keyword)
                    fix = Fix("Remove it", (edit,), safe=_is_without_effect(keyword, url, options))
                    message = f"`{keyword.arg}` is nothing for SQLite"
                    yield context.finding(self.code, keyword, message, fix=fix)


def _is_without_effect(keyword: ast.keyword, url: str, options: dict[str | None, ast.expr]) -> bool:
    """Whether an engine in memory raises with an argument, or is the same without it."""
    if url.rpartition("://")[2] not in ("", "/:memory:"):
        return False
    if not options.keys().isdisjoint({"poolclass", "pool", None}):
        return False
    raises = "+aiosqlite" in url or not options.keys().isdisjoint({"max_overflow", "pool_timeout"})
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
    return raises or value == SAME
