"""The rule CLN404, pool-on-sqlite."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.configuration._engines import engines

DEFAULT_POOL_SIZE = 5  # of SQLAlchemy's pool for SQLite in memory: one connection per thread


class PoolOnSQLite(Rule):
    """An engine on SQLite has options for a connection pool.

    In memory, the engine raises (`Invalid argument(s) 'max_overflow' sent to create_engine()`), or
    `pool_size` only sets how many threads keep their own database. For a file, the pool opens
    connections that wait for each other, since SQLite has a single writer. Remove the options.
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
                    fix = Fix(
                        f"Remove `{keyword.arg}`",
                        (edit,),
                        safe=_is_without_effect(keyword, url, options),
                    )
                    message = f"`{keyword.arg}` does not help on SQLite, which has a single writer"
                    yield context.finding(self.code, keyword, message, fix=fix)


def _is_without_effect(keyword: ast.keyword, url: str, options: dict[str | None, ast.expr]) -> bool:
    """Whether an in-memory engine raises with the argument, or is the same without it."""
    if url.rpartition("://")[2] not in ("", "/:memory:"):
        return False
    if not options.keys().isdisjoint({"poolclass", "pool", None}):
        return False
    raises = "+aiosqlite" in url or not options.keys().isdisjoint({"max_overflow", "pool_timeout"})
    value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
    return raises or value == DEFAULT_POOL_SIZE
