"""The rule CLN112, enum-by-name."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.columns._stock_columns import stock_columns


class EnumByName(Rule):
    """An `Enum` field of a table is stored by name instead of by value, on stock sqlmodel.

    The API says `in-progress` and the database says `IN_PROGRESS`: reports, other programs and raw
    SQL must know both, and renaming a member in Python makes its stored rows unreadable. The rule
    reports only enums whose names and values differ. Set `sa_type=Enum(Status,
    values_callable=...)` on the column, or use Colonnade, which stores values.
    """

    code = "CLN112"
    name = "enum-by-name"
    in_tests = False
    in_migrations = False
    source = "https://github.com/fastapi/sqlmodel/issues/96"
    bad = """
from enum import Enum

from sqlmodel import Field, SQLModel


class Status(str, Enum):
    PENDING = "pending"
    IN_PROGRESS = "in-progress"


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    status: Status = Status.PENDING  # CLN112
"""
    good = """
from enum import Enum

from colonnade import Field, SQLModel


class Status(str, Enum):
    PENDING = "pending"
    IN_PROGRESS = "in-progress"


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    status: Status = Status.PENDING
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for _, field, _tables in stock_columns(context):
            if field.hint.collection or not field.hint.name:
                continue
            member = _differing_member(context, field.hint.name)
            if member is not None:
                name, value = member
                message = (
                    f"`{field.name}` is stored by member name: as {name!r} instead of {value!r}"
                )
                advice = "Use `sa_type=Enum(..., values_callable=...)`, or SQLModel from colonnade"
                yield context.finding(self.code, field.node, message, advice=advice)


def _differing_member(context: Context, name: str) -> tuple[str, str] | None:
    """The name and value of the first member of an enum whose value differs from its name."""
    ancestry = context.project.ancestry(name)
    if ancestry.isdisjoint({"enum.Enum", "enum.StrEnum"}):
        return None
    definition = context.project.definition(name)
    if definition is None or not isinstance(definition[0], ast.ClassDef):
        return None
    for statement in definition[0].body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=member)], value=ast.Constant(value=str(value))):
                if member != value:
                    return member, value
    return None
