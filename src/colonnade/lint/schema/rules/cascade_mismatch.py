"""The rule CLN503, cascade-mismatch."""

from collections.abc import Iterator

from sqlalchemy import (
    Column,
)
from sqlalchemy.orm import RelationshipDirection, RelationshipProperty

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule, names
from colonnade.lint.schema.rules._keys import foreign_keys


class CascadeMismatch(SchemaRule):
    """The ORM and the database do different things when a parent row is deleted.

    With `cascade_delete=True` and no `ondelete`, `session.delete(project)` works, but a DELETE in
    SQL or over HTTP is refused. With `ondelete="CASCADE"` but neither `cascade_delete` nor
    `passive_deletes`, the ORM first sets the foreign keys to NULL: an error if they are NOT NULL,
    orphaned rows otherwise. `ondelete="SET NULL"` on a NOT NULL column always fails.
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
                    required = [column for column in key.columns if not column.nullable]
                    if required:
                        message = (
                            f'`ondelete="SET NULL"` fails, because {names(required)} cannot be NULL'
                        )
                        advice = "Make the column nullable, or use another `ondelete`"
                        yield schema.finding(self.code, table, message, advice)
        for table, mapper in schema.mappers.items():
            for relation in mapper.relationships:
                mismatch = _mismatch(relation)
                if mismatch is not None:
                    problem, advice = mismatch
                    message = f"`{mapper.class_.__name__}.{relation.key}` {problem}"
                    yield schema.finding(self.code, table, message, advice)


def _mismatch(relation: "RelationshipProperty[object]") -> tuple[str, str] | None:
    """The difference between a relation and its foreign key, with advice; None if they agree."""
    if relation.direction is not RelationshipDirection.ONETOMANY or relation.viewonly:
        return None
    keys = {
        constraint
        for column in relation.remote_side
        if isinstance(column, Column)
        for constraint in column.table.foreign_key_constraints
        if column in set(constraint.columns)
    }
    if len(keys) != 1:
        return None
    rule = (keys.pop().ondelete or "").upper()
    deletes = relation.cascade.delete
    if deletes and rule != "CASCADE":
        option = f"`ondelete={rule!r}`" if rule else "no `ondelete`"
        problem = f"deletes its rows in the ORM, but the foreign key has {option}"
        return problem, 'Set `ondelete="CASCADE"` on the foreign key'
    if rule == "CASCADE" and not deletes and not relation.passive_deletes:
        problem = "sets foreign keys to NULL in the ORM, but the database deletes the rows"
        return problem, "Set `cascade_delete=True` on the relation"
    return None
