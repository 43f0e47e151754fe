"""CLN503."""

from collections.abc import Iterator

from sqlalchemy import (
    Column,
)
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule, names
from colonnade.lint.schema.rules._keys import foreign_keys


class CascadeMismatch(SchemaRule):
    """The database and the ORM do different things when a parent is deleted.

    With `cascade_delete=True` and no `ondelete`, `session.delete(project)` works, and a DELETE in
    SQL or over HTTP is refused. With `ondelete="CASCADE"` and neither `cascade_delete` nor
    `passive_deletes`, the ORM sets the keys to NULL first: an error where they may not be, orphans
    where they may. `ondelete="SET NULL"` on a column that is NOT NULL is an error each time.
    """

    code = "CLN503"
    name = "cascade-mismatch"
    source = "https://docs.sqlalchemy.org/en/21/orm/cascades.html#using-foreign-key-on-delete-cascade-with-orm-relationships"
    bad = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship(back_populates="project", cascade_delete=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(foreign_key="project.id", index=True)
    project: Project = Relationship(back_populates="tasks")
"""
    good = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship(back_populates="project", cascade_delete=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(foreign_key="project.id", index=True, ondelete="CASCADE")
    project: Project = Relationship(back_populates="tasks")
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table in schema.tables:
            for key in foreign_keys(table):
                if (key.ondelete or "").upper() == "SET NULL":
                    fixed = [column for column in key.columns if not column.nullable]
                    if fixed:
                        message = (
                            f"deleting its parent sets {names(fixed)} to NULL, which it cannot be"
                        )
                        yield schema.finding(self.code, table, message)
        for table, mapper in schema.mappers.items():
            for relation in mapper.relationships:
                problem = _disagreement(relation)
                if problem:
                    message = f"`{mapper.class_.__name__}.{relation.key}` {problem}"
                    yield schema.finding(self.code, table, message)


def _disagreement(relation: "RelationshipProperty[object]") -> str:
    if relation.direction is not RelationshipDirection.ONETOMANY or relation.viewonly:
        return ""
    keys = {
        constraint
        for column in relation.remote_side
        if isinstance(column, Column)
        for constraint in column.table.foreign_key_constraints
        if column in set(constraint.columns)
    }
    if len(keys) != 1:
        return ""
    rule = (keys.pop().ondelete or "").upper()
    deletes = relation.cascade.delete
    if deletes and rule != "CASCADE":
        there = f"`ondelete={rule!r}`" if rule else "no `ondelete`"
        return f"deletes what it has in the ORM, and the foreign key has {there}"
    if rule == "CASCADE" and not deletes and not relation.passive_deletes:
        return (
            "is set to NULL by the ORM where the database would delete: say `cascade_delete=True`"
        )
    return ""
