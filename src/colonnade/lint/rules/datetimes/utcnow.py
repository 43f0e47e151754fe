"""The rule CLN111, utcnow."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.datetimes._time_zones import (
    UTC_NOW,
    find_column,
    is_naive_column,
    make_time_aware,
)

ADVICE = "Use `datetime.now(timezone.utc)`, and for every time that it is compared with"


class UTCNow(Rule):
    """`datetime.utcnow()` returns a time in UTC without a time zone.

    Code that reads it takes it for local time: `timestamp()`, comparisons with aware times,
    sqlmodel's columns. It is deprecated since Python 3.12. Use `datetime.now(timezone.utc)`.
    """

    code = "CLN111"
    name = "utcnow"
    in_tests = False
    in_migrations = False
    fixes = "unsafe"
    source = "https://docs.python.org/3/library/datetime.html#datetime.datetime.utcnow"
    bad = """
from datetime import datetime

from sqlmodel import Field, Session, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    done_at: datetime | None = None


def finish(session: Session, task: Task) -> None:
    task.done_at = datetime.utcnow()  # CLN111
    session.add(task)
"""
    good = """
from datetime import datetime, timezone

from sqlmodel import Field, Session, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    done_at: datetime | None = None


def finish(session: Session, task: Task) -> None:
    task.done_at = datetime.now(timezone.utc)
    session.add(task)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named("utcnow", "utcfromtimestamp"):
            name = context.resolve(call.func)
            if name not in (UTC_NOW, "datetime.datetime.utcfromtimestamp"):
                continue
            if _gets_zone(context, call):
                continue
            field = find_column(context, call)
            if field is not None and is_naive_column(context, field):
                continue  # CLN110 reports the column
            edits = make_time_aware(context, call) if name == UTC_NOW else None
            fix = Fix("Use `datetime.now(timezone.utc)`", edits, safe=False) if edits else None
            message = (
                f"`{name.removeprefix('datetime.')}()` returns a time in UTC without a time zone"
            )
            yield context.finding(self.code, call, message, fix=fix, advice=ADVICE)


def _gets_zone(context: Context, call: ast.Call) -> bool:
    """Whether a time gets its time zone at once: ``utcnow().replace(tzinfo=timezone.utc)``."""
    method = context.module.parent(call)
    replace = context.module.parent(method) if isinstance(method, ast.Attribute) else None
    return isinstance(replace, ast.Call) and any(
        keyword.arg == "tzinfo" for keyword in replace.keywords
    )
