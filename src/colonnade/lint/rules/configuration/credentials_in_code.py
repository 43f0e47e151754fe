"""The rule CLN402, credentials-in-code."""

import ast
import re
from collections.abc import Iterator
from urllib.parse import unquote

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.configuration._engines import URL

PLACEHOLDERS = frozenset(
    {"password", "pass", "pwd", "passwd", "secret", "postgres", "user", "changeme", "change_me",
     "example", "test", "testing", "root", "admin", "mypassword", "yourpassword", "your_password",
     "guest", "dev", "xxx", "xxxx", "dbpass", "db_password", "username", "hunter2x", "..."}
)  # fmt: skip


class CredentialsInCode(Rule):
    """A database URL in the code contains a password.

    Anyone who can read the repository, or an old copy of it, can access the database. Read the URL
    from the environment, and change the password, which stays in the history. Placeholder passwords
    such as `postgres` or `password`, and tests, are not reported.
    """

    code = "CLN402"
    name = "credentials-in-code"
    in_tests = False
    source = "https://12factor.net/config"
    bad = """
from sqlmodel import create_engine

engine = create_engine("postgresql://tasks:kX83mPq@db.example.com/tasks")  # CLN402
"""
    good = """
import os

from sqlmodel import create_engine

engine = create_engine(os.environ["DATABASE_URL"])
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.nodes(ast.Constant):
            value = node.value
            parent = context.module.parent(node)
            if not isinstance(value, str) or "://" not in value or "\n" in value:
                continue
            match = URL.search(value)
            if (
                match is None
                or isinstance(parent, ast.Expr | ast.JoinedStr)
                or _is_placeholder(match)
            ):
                continue
            message = f"the code contains the password for {match['host'] or 'a database'}"
            advice = "Read the URL from the environment, and change the password"
            yield context.finding(self.code, node, message, advice=advice, hidden=True)


def _is_placeholder(match: re.Match[str]) -> bool:
    """Whether a password is a placeholder, the user's name, or inserted later."""
    password, user = unquote(match["password"]).lower(), unquote(match["user"]).lower()
    if password in PLACEHOLDERS or password == user:
        return True
    if any(sign in password for sign in "{}<>$%[]*") or "password" in password:
        return True
    return match["host"].endswith((".example", ".invalid", ".test")) and password.isalpha()
