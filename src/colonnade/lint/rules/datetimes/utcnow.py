"""CLN111."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.datetimes._time_zones import (
    UTC_NOW,
    aware_time,
    column_of,
    is_naive_column,
)

ADVICE = "Use `datetime.now(timezone.utc)`, and so for every time that it is compared with"


class UTCNow(Rule):
    """`datetime.utcnow()` gives a time in UTC that does not say so.

    Everything that reads it takes it for local time: `timestamp()`, comparison with aware times,
    sqlmodel's columns. Deprecated since Python 3.12.
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
            field = column_of(context, call)
            if field is not None and is_naive_column(context, field):
                continue  # which is found itself, and is what has to change
            edits = aware_time(context, call) if name == UTC_NOW else None
            fix = Fix("Say that it is UTC", edits, safe=False) if edits else None
            message = "this time is in UTC and does not say so"
            yield context.finding(self.code, call, message, fix=fix, advice=ADVICE)
