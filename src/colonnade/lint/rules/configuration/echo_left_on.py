"""The rule CLN403, echo-left-on."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.configuration._engines import engines


class EchoLeftOn(Rule):
    """An engine logs every statement: `echo=True`.

    The log contains the values of all statements, including personal data and password hashes, and
    a list of a hundred rows takes twice as long. To see statements while debugging, set the logger
    `sqlalchemy.engine` to INFO.
    """

    code = "CLN403"
    name = "echo-left-on"
    in_tests = False
    fixes = "unsafe"
    source = "https://docs.sqlalchemy.org/en/21/core/engines.html#configuring-logging"
    bad = """
from sqlmodel import create_engine

engine = create_engine("sqlite:///tasks.db", echo=True)  # CLN403
"""
    good = """
from sqlmodel import create_engine

engine = create_engine("sqlite:///tasks.db")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call, _, _url in engines(context):
            for keyword in call.keywords:
                value = keyword.value
                if keyword.arg != "echo" or not isinstance(value, ast.Constant):
                    continue
                if value.value in (True, "debug"):
                    edit = context.editor.remove_argument(call, keyword)
                    fix = Fix("Remove `echo`", (edit,), safe=False)
                    message = f"`echo={value.value!r}` logs every statement with its values"
                    yield context.finding(self.code, keyword, message, fix=fix)
