"""The rule CLN402, credentials-in-code."""

import ast
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

URL_CREATE = tuple(f"sqlalchemy.{module}URL.create" for module in ("", "engine.", "engine.url."))


class CredentialsInCode(Rule):
    """The URL of a database, a cache or a broker in the code contains a password.

    Anyone who can read the repository, or an old copy of it, can use the server. Read the URL
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
                or _is_placeholder(
                    unquote(match["user"]), unquote(match["password"]), match["host"]
                )
            ):
                continue
            yield self._finding(context, node, match["host"])
        for call in context.module.calls_named("create"):
            if context.resolve(call.func) in URL_CREATE:
                yield from self._check_parts(context, call)

    def _check_parts(self, context: Context, call: ast.Call) -> Iterator[Finding]:
        """Check ``URL.create(drivername, username, password, host)``."""
        names = ("drivername", "username", "password", "host")
        parts = dict(zip(names, call.args, strict=False))
        parts |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        texts = {
            name: str(value.value)
            for name, value in parts.items()
            if isinstance(value, ast.Constant)
        }
        password, host = texts.get("password", ""), texts.get("host", "")
        if password and not _is_placeholder(texts.get("username", ""), password, host):
            yield self._finding(context, call, host)

    def _finding(self, context: Context, node: ast.expr, host: str) -> Finding:
        message = f"the code contains the password for {host or 'a server'}"
        advice = "Read the URL from the environment, and change the password"
        return context.finding(self.code, node, message, advice=advice, hidden=True)


def _is_placeholder(user: str, password: str, host: str) -> bool:
    """Whether a password is a placeholder, the user's name, or inserted later."""
    password, user = password.lower(), user.lower()
    if password in PLACEHOLDERS or password == user:
        return True
    if any(sign in password for sign in "{}<>$%[]*") or "password" in password:
        return True
    return host.endswith((".example", ".invalid", ".test")) and password.isalpha()
