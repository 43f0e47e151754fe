"""The rule CLN114, postponed-relationship."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Relation


class PostponedRelationship(Rule):
    """A relation of stock sqlmodel has a postponed annotation.

    `from __future__ import annotations` turns `list["Task"]` into the string `list['Task']`, which
    sqlmodel passes to SQLAlchemy as the name of a class, so the first query raises. Remove the
    import, and quote only the names that are not defined yet. Colonnade's SQLModel reads postponed
    annotations.
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
        is_postponed = any(
            isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
            and any(alias.name == "annotations" for alias in statement.names)
            for statement in context.module.tree.body
        )  # fmt: skip
        if not is_postponed:
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
                is_plain_name = isinstance(annotation, ast.Name | ast.Constant)
                if annotation is None or is_plain_name or "sa_relationship" in relation.options:
                    continue
                text = context.editor.text(annotation)
                message = (
                    f"the annotation of `{relation.name}` is postponed, so sqlmodel uses {text!r} "
                    "as a class name"
                )
                advice = "Remove `from __future__ import annotations` from this module"
                yield context.finding(self.code, annotation, message, advice=advice)
