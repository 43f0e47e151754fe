"""The rule CLN405, sqlite-argument-elsewhere."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.configuration._engines import engines, literal_dict


class SQLiteArgumentElsewhere(Rule):
    """`check_same_thread` is passed to a driver other than SQLite's.

    It is an argument of Python's `sqlite3`. PostgreSQL's drivers refuse it when they open the first
    connection (`invalid connection option "check_same_thread"`). Remove it.
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
            written = options.get("connect_args")
            connect_args = literal_dict(context, written)
            if url is None or "://" not in url or url.startswith(("sqlite", "{")):
                continue
            for key in connect_args.keys if connect_args is not None else ():
                if isinstance(key, ast.Constant) and key.value == "check_same_thread":
                    scheme = url.partition(":")[0]
                    message = (
                        "`check_same_thread` is an argument of SQLite's driver, but the URL is for "
                        f"{scheme}"
                    )
                    node = key if connect_args is written else written
                    yield context.finding(self.code, node or key, message, advice="Remove it")
