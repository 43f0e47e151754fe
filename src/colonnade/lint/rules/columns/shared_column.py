"""The rule CLN113, shared-column."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField


class SharedColumn(Rule):
    """One `Column` object is shared by several tables.

    `sa_column=Column(...)` in a base class is a single object: the first table takes it, and the
    second fails with "Column object 'x' already assigned to Table". Set the type with `sa_type` and
    other arguments with `sa_column_kwargs`; each table then creates its own column.
    """

    code = "CLN113"
    name = "shared-column"
    bad = """
from sqlalchemy import Text
from sqlmodel import Column, Field, SQLModel


class Described(SQLModel):
    description: str = Field(default="", sa_column=Column(Text))  # CLN113


class Task(Described, table=True):
    id: int | None = Field(default=None, primary_key=True)


class Project(Described, table=True):
    id: int | None = Field(default=None, primary_key=True)
"""
    good = """
from sqlalchemy import Text
from sqlmodel import Field, SQLModel


class Described(SQLModel):
    description: str = Field(default="", sa_type=Text)


class Task(Described, table=True):
    id: int | None = Field(default=None, primary_key=True)


class Project(Described, table=True):
    id: int | None = Field(default=None, primary_key=True)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        names = context.project.names
        for model in context.models:
            if not model.is_sqlmodel or model.is_table:
                continue
            tables = sorted(names.subclasses.get(model.name, frozenset()) & names.tables)
            for field in model.declared.values():
                if not isinstance(field, ModelField):
                    continue
                column = field.options.get("sa_column")
                users = [
                    table.rpartition(".")[2]
                    for table in tables
                    if (subclass := context.project.model(table)) is not None
                    and subclass.fields.get(field.name) is field
                ]
                if isinstance(column, ast.Call) and len(users) > 1:
                    message = (
                        f"`{field.name}` is a single Column for {len(users)} tables "
                        f"({', '.join(users[:3])}): defining the second one raises ArgumentError"
                    )
                    advice = "Use `sa_type=` and `sa_column_kwargs=` instead"
                    yield context.finding(self.code, column, message, advice=advice)
