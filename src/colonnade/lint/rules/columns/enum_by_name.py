"""CLN112."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.columns._stock_columns import stock_columns


class EnumByName(Rule):
    """An `Enum` of a table is stored by names of members, not values, on stock sqlmodel.

    The API says `in-progress`, the database `IN_PROGRESS`: reports, other programs and raw SQL have
    to know both, and renaming a member in Python makes stored rows unreadable. Found only where
    names and values differ. Give the column `sa_type=Enum(Status, values_callable=...)`, or use
    Colonnade, which stores values.
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
            member = _differing(context, field.hint.name)
            if member is not None:
                name, value = member
                message = (
                    f"`{field.name}` is stored as the names of its members: "
                    f"{name!r}, where its value is {value!r}"
                )
                advice = "Store values: `sa_type=Enum(..., values_callable=...)`, or colonnade"
                yield context.finding(self.code, field.node, message, advice=advice)


def _differing(context: Context, name: str) -> tuple[str, str] | None:
    """A member of an enum whose value is another text than its name."""
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
