"""CLN404."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules._engines import engines


class PoolOnSQLite(Rule):
    """An engine on SQLite is given the size of a pool.

    In memory it raises (`Invalid argument(s) 'pool_size' sent to create_engine()`); for a file it
    makes connections that wait for each other, since SQLite has one writer. Leave it out.
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

    def check(self, at: Context) -> Iterator[Finding]:
        for call, options, url in engines(at):
            if url is None or not url.startswith("sqlite"):
                continue
            for keyword in call.keywords:
                if keyword.arg in ("pool_size", "max_overflow", "pool_timeout"):
                    edit = at.edit.remove_argument(call, keyword)
                    memory = url.rpartition("://")[2] in ("", "/:memory:")
                    raises = memory and options.keys().isdisjoint({"poolclass", "pool", None})
                    fix = Fix("Remove it", (edit,), safe=raises)
                    message = f"`{keyword.arg}` is nothing for SQLite"
                    yield at.find(self.code, keyword, message, fix=fix)
