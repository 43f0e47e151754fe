"""CLN405."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.configuration._engines import engines


class SQLiteArgumentElsewhere(Rule):
    """`check_same_thread` is given to a driver that is not SQLite's.

    It is an argument of `sqlite3`; PostgreSQL's drivers refuse it when the first connection is made
    (`invalid connection option "check_same_thread"`).
    """

    code = "CLN405"
    name = "sqlite-argument-elsewhere"
    bad = """
from sqlmodel import create_engine

engine = create_engine("postgresql:///tasks", connect_args={"check_same_thread": False})  # CLN405
"""
    good = """
from sqlmodel import create_engine

engine = create_engine("postgresql:///tasks")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for _, options, url in engines(context):
            connect_args = options.get("connect_args")
            if url is None or "://" not in url or url.startswith(("sqlite", "{")):
                continue
            for key in connect_args.keys if isinstance(connect_args, ast.Dict) else ():
                if isinstance(key, ast.Constant) and key.value == "check_same_thread":
                    scheme = url.partition(":")[0]
                    message = f"`check_same_thread` is SQLite's, and this is {scheme}"
                    yield context.finding(self.code, key, message)
