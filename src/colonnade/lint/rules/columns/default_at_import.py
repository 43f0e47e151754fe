"""The rule CLN109, default-at-import."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib

VARYING = frozenset(
    {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
     "datetime.date.today", "time.time", "time.time_ns", "uuid.uuid1", "uuid.uuid4", "uuid.uuid7",
     "random.random", "random.randint", "secrets.token_hex", "secrets.token_urlsafe",
     "secrets.token_bytes"}
)  # fmt: skip


class DefaultAtImport(Rule):
    """A field's default is computed once, when the module is imported.

    Every row gets the same value: the time at which the server started, or the same UUID, so that
    the second insert fails. Use `default_factory`, which is called for each row.
    """

    code = "CLN109"
    name = "default-at-import"
    fixes = "safe"
    bad = """
from uuid import UUID, uuid4

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: UUID = Field(default=uuid4(), primary_key=True)  # CLN109
"""
    good = """
from uuid import UUID, uuid4

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: UUID = Field(default_factory=uuid4, primary_key=True)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for field in context.fields:
            keyword = next(
                (
                    option
                    for option in (field.call.keywords if field.call else ())
                    if option.arg in ("default", "insert_default", "server_default")
                ),
                None,
            )
            value = keyword.value if keyword else field.default
            if value is None and field.call is not None and field.call.args:
                value = field.call.args[0]
            call = _varying_call(context, value)
            if call is None or value is None:
                continue
            fix = None
            if keyword is not None and keyword.arg == "default" and value is call:
                has_no_arguments = not (call.args or call.keywords)
                text = (
                    context.editor.text(call.func)
                    if has_no_arguments
                    else f"lambda: {context.editor.text(call)}"
                )
                if context.resolve(field.call.func if field.call else None) in (
                    lib.FIELD,
                    "pydantic.Field",
                ):
                    edit = context.editor.replace(keyword, f"default_factory={text}")
                    fix = Fix("Use `default_factory`", (edit,), safe=True)
            message = (
                f"the default of `{field.name}` is computed once, at import, so every row gets the "
                "same value"
            )
            advice = "Pass a callable instead, such as `default_factory=...`"
            yield context.finding(self.code, value, message, fix=fix, advice=advice)


def _varying_call(context: Context, value: ast.expr | None) -> ast.Call | None:
    """The call in a default that returns a different value each time."""
    while isinstance(value, ast.Call):
        if context.resolve(value.func) in VARYING:
            return value
        func = value.func
        if context.resolve(func) in ("str", "builtins.str") and value.args:
            value = value.args[0]
        else:
            value = func.value if isinstance(func, ast.Attribute) else None
    return None
