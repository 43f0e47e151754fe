"""CLN110."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.rules.datetimes._time_zones import TOGETHER, aware_column, is_naive_type


class NaiveColumn(Rule):
    """A time column is declared without a zone.

    `sa_type=DateTime` makes PostgreSQL's `timestamp without time zone`, which drops the offset of
    what it is given: a time from another zone is stored as if it were local. asyncpg refuses aware
    times for it. `DateTime(timezone=True)` keeps the moment; changing it needs a migration with `AT
    TIME ZONE`.
    """

    code = "CLN110"
    name = "naive-column"
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
            for written in field.type_expressions():
                if not is_naive_type(context, written):
                    continue
                edits = aware_column(context, field)
                fix = None
                if edits is not None:
                    fix = Fix("Keep the zone (and migrate the column)", edits, safe=False)
                message = f"the column of `{field.name}` drops the zone of the times it is given"
                yield context.finding(self.code, written, message, fix=fix, advice=TOGETHER)
