"""The rule CLN504, nullable-mismatch."""

import re
from collections.abc import Iterator

from sqlalchemy import (
    Column,
)
from sqlalchemy.orm import RelationshipDirection

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule, names


class NullableMismatch(SchemaRule):
    """A relation is annotated as required, but its foreign key may be NULL.

    `task.project.name` passes the type checker, but raises AttributeError for a task without a
    project. Annotate the relation with `Project | None`, or make the foreign key NOT NULL.
    """

    code = "CLN504"
    name = "nullable-mismatch"
    bad = """
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project = Relationship(back_populates="tasks")
"""
    good = """
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table, mapper in schema.mappers.items():
            for relation in mapper.relationships:
                if relation.direction is not RelationshipDirection.MANYTOONE:
                    continue
                annotation = _annotation(mapper.class_, relation.key)
                columns = [
                    column for column in relation.local_columns if isinstance(column, Column)
                ]
                nullable = [column for column in columns if column.nullable]
                if annotation and nullable and not re.search(r"Optional|None|Any", annotation):
                    message = (
                        f"`{relation.key}` is annotated as required, but {names(nullable)} may be "
                        "NULL"
                    )
                    advice = f"Annotate it with `{annotation} | None`, or make the key NOT NULL"
                    yield schema.finding(self.code, table, message, advice)


def _annotation(class_: type, name: str) -> str:
    """The annotation of a relation as text; empty if it is unknown."""
    for base in class_.__mro__:
        try:
            annotation = vars(base).get("__annotations__", {}).get(
                name
            ) or base.__annotations__.get(name)
        except (AttributeError, NameError):
            continue
        if annotation is not None:
            # sqlmodel wraps it: `sqlalchemy.orm.base.Mapped[app.models.Project]`
            text = annotation if isinstance(annotation, str) else str(annotation)
            if re.search(r"Optional|None|Any", text):
                return text
            match = re.search(r"(\w+)'?\)?[\]>]?$", text)
            return match[1] if match else text
    return ""
