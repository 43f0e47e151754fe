"""CLN108."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._models import Attribute
from colonnade.lint._rule import Rule
from colonnade.lint.rules._defaults import fields, utc_now

NAIVE = {"datetime.datetime.now": "now", "datetime.datetime.utcnow": "utcnow"}


class NaiveDefault(Rule):
    """A time column's default is a time without a zone.

    `datetime.now` and `datetime.utcnow` say what a clock showed, not where. sqlmodel since 0.0.45
    stores times in UTC and refuses them ("Datetime values must have timezone information", a 500 on
    the first insert); before, servers in two zones stored times that cannot be compared. Colonnade
    takes a naive time for local time, as Python does, and its models are not searched.
    """

    code = "CLN108"
    name = "naive-default"
    in_tests = False
    in_migrations = False
    fixes = "unsafe"
    bad = """
from datetime import datetime

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=datetime.now)  # CLN108
"""
    good = """
from datetime import datetime, timezone

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=lambda: datetime.now(timezone.utc))
"""

    def check(self, at: Context) -> Iterator[Finding]:
        for field in fields(at):
            if not (field.owner.stock or field.owner.declarative):
                continue
            for name in ("default_factory", "default", "insert_default", "onupdate"):
                value = field.options.get(name)
                if isinstance(value, ast.Lambda):
                    value = value.body
                    if not isinstance(value, ast.Call) or value.args or value.keywords:
                        continue
                    value = value.func
                yield from self._judge(at, field, field.options.get(name), value)

    def _judge(
        self, at: Context, field: Attribute, whole: ast.expr | None, value: ast.expr | None
    ) -> Iterator[Finding]:
        called = NAIVE.get(at.meaning(value)) if value is not None else None
        if called is None or whole is None or value is None:
            return
        fix = None
        written = utc_now(at, value)
        if written is not None and not field.owner.declarative:  # whose column has no zone either
            datetime, zone, imports = written
            edit = at.edit.replace(whole, f"lambda: {datetime}.now({zone})")
            fix = Fix("Take the time in UTC", (edit, *imports), safe=False)
        message = f"`{field.name}` is given a time without a zone by `datetime.{called}`"
        yield at.find(self.code, whole, message, fix=fix)
