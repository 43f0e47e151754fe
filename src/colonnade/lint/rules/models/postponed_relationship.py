"""CLN114."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Relation


class PostponedRelationship(Rule):
    """A list relation of stock sqlmodel in a module with postponed annotations.

    `from __future__ import annotations` turns `list["Task"]` into the text `list['Task']`, which
    sqlmodel gives to SQLAlchemy as the name of a class: the first query raises. Leave the import
    out, and quote names that are not defined yet. Colonnade reads such annotations.
    """

    code = "CLN114"
    name = "postponed-relationship"
    source = "https://github.com/fastapi/sqlmodel/issues/196"
    bad = """
from __future__ import annotations

from sqlmodel import Field, Relationship, SQLModel


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list[Task] = Relationship(back_populates="project")  # CLN114


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")  # CLN114
"""
    good = """
from typing import Optional

from sqlmodel import Field, Relationship, SQLModel


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Optional["Project"] = Relationship(back_populates="tasks")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        postponed = any(
            isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            and any(alias.name == "annotations" for alias in statement.names)
            for statement in context.module.tree.body
        )  # fmt: skip
        if not postponed:
            return
        for model in context.models:
            for relation in model.declared.values():
                if (
                    not isinstance(relation, Relation)
                    or not model.is_stock_sqlmodel
                    or not model.is_table
                ):
                    continue
                annotation = getattr(relation.node, "annotation", None)
                plain = isinstance(annotation, ast.Name | ast.Constant)
                if annotation is None or plain or "sa_relationship" in relation.options:
                    continue
                text = context.editor.text(annotation)
                message = (
                    f"`{relation.name}` is the text {text!r} to sqlmodel, which takes it for "
                    "the name of a class"
                )
                advice = "Leave `from __future__ import annotations` out of this module"
                yield context.finding(self.code, annotation, message, advice=advice)
