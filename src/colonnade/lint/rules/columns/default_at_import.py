"""CLN109."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project import _known_names as lib

CHANGING = frozenset(
    {"datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
     "datetime.date.today", "time.time", "time.time_ns", "uuid.uuid1", "uuid.uuid4", "uuid.uuid7",
     "random.random", "random.randint", "secrets.token_hex", "secrets.token_urlsafe",
     "secrets.token_bytes"}
)  # fmt: skip


class DefaultAtImport(Rule):
    """A field's default is computed once, when the module is imported.

    Every row gets the time the server was started, or the same UUID (the second insert then fails).
    `default_factory` calls it for each row.
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
            call = _changing(context, value)
            if call is None or value is None:
                continue
            fix = None
            if keyword is not None and keyword.arg == "default" and value is call:
                plain = not (call.args or call.keywords)
                text = (
                    context.editor.text(call.func)
                    if plain
                    else f"lambda: {context.editor.text(call)}"
                )
                if context.resolve(field.call.func if field.call else None) in (
                    lib.FIELD,
                    "pydantic.Field",
                ):
                    edit = context.editor.replace(keyword, f"default_factory={text}")
                    fix = Fix("Make it a `default_factory`", (edit,), safe=True)
            message = f"`{field.name}` gets what this is when the module is imported, in every row"
            yield context.finding(self.code, value, message, fix=fix)


def _changing(context: Context, value: ast.expr | None) -> ast.Call | None:
    """The call in a default that gives another value each time."""
    while isinstance(value, ast.Call):
        if context.resolve(value.func) in CHANGING:
            return value
        func = value.func
        if context.resolve(func) in ("str", "builtins.str") and value.args:
            value = value.args[0]
        else:
            value = func.value if isinstance(func, ast.Attribute) else None
    return None
