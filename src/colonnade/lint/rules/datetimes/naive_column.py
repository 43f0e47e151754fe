"""The rule CLN110, naive-column."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.datetimes._time_zones import (
    CHANGE_TOGETHER,
    is_naive_type,
    make_column_aware,
)


class NaiveColumn(Rule):
    """A datetime column has no time zone.

    `sa_type=DateTime` is PostgreSQL's `timestamp without time zone`, which drops the offset of the
    values that it receives: a time from another zone is stored as if it were local. asyncpg refuses
    aware values for it. `DateTime(timezone=True)` keeps the instant. Changing an existing column
    requires a migration with `AT TIME ZONE`.
    """

    code = "CLN110"
    name = "naive-column"
    is_default = False
    in_tests = False
    in_migrations = False
    source = "https://wiki.postgresql.org/wiki/Don%27t_Do_This#Don.27t_use_timestamp_.28without_time_zone.29"
    fixes = "unsafe"
    bad = """
from datetime import datetime

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    due_at: datetime | None = Field(default=None, sa_type=DateTime)  # CLN110
"""
    good = """
from datetime import datetime

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for field in context.fields:
            for expression in field.type_expressions():
                if not is_naive_type(context, expression):
                    continue
                edits = make_column_aware(context, field)
                fix = None
                if edits is not None:
                    fix = Fix(
                        "Use `DateTime(timezone=True)`, and migrate the column", edits, safe=False
                    )
                message = (
                    f"the column of `{field.name}` drops the time zone of the values stored in it"
                )
                yield context.finding(
                    self.code, expression, message, fix=fix, advice=CHANGE_TOGETHER
                )
