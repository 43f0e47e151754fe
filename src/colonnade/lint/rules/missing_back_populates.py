"""CLN102."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._models import Model, Relation
from colonnade.lint._rule import Rule


class MissingBackPopulates(Rule):
    """A relation does not name the relation on the other side.

    Two relations over the same foreign key that do not know of each other disagree until the rows
    are read again: a task added to `project.tasks` still has `project` None, and SQLAlchemy warns
    that both write the same column. `back_populates` on both keeps them together. A plain list that
    has no other side is found too; a single row without one is not, nor a relation with options of
    its own, for that is one direction, chosen.
    """

    code = "CLN102"
    name = "missing-back-populates"
    fixes = "safe"
    source = "https://sqlmodel.tiangolo.com/tutorial/relationship-attributes/back-populates/"
    bad = """
from typing import Optional

from sqlmodel import Field, Relationship, SQLModel


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship()  # CLN102


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Optional["Project"] = Relationship()  # CLN102
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

    def check(self, at: Context) -> Iterator[Finding]:
        for model in at.models:
            for relation in model.own.values():
                if isinstance(relation, Relation) and model.table and _alone(relation):
                    yield from self._judge(at, model, relation)

    def _judge(self, at: Context, model: Model, relation: Relation) -> Iterator[Finding]:
        target = at.project.model(relation.target)
        if target is None or not target.whole:
            return
        others = inverses(model, relation, target)
        if not others and not relation.many:
            return
        said = f"`{model.title}.{relation.name}` names no `back_populates`"
        if len(others) == 1 and (others[0].back_populates in (None, relation.name)):
            name = others[0].name
            edit = at.edit.add_argument(relation.call, f'back_populates="{name}"')
            fix = Fix(f'Add `back_populates="{name}"`', (edit,), safe=True)
            message = f"{said}: `{target.title}.{name}` is its other side"
            yield at.find(self.code, relation.node, message, fix=fix)
        elif others:
            names = ", ".join(f"`{one.name}`" for one in others)
            yield at.find(self.code, relation.node, f"{said}: {target.title} has {names}")
        elif relation.options.keys() <= {"link_model", "secondary"} and any(
            (one.foreign_key or "").partition(".")[0] == model.tablename
            for one in target.attributes.values()
        ):
            message = f"{said}, and `{target.title}` has no relation back"
            yield at.find(self.code, relation.node, message)


def _alone(relation: Relation) -> bool:
    """Whether a relation names no other side, in any of the ways to do so."""
    return not relation.opaque and relation.options.keys().isdisjoint(
        {"back_populates", "backref", "viewonly", "sa_relationship", "primaryjoin", "overlaps"}
    )


def inverses(model: Model, relation: Relation, target: Model) -> list[Relation]:
    """The relations of the target that may be the other side of one."""
    if target is model:
        return []
    found = [
        one
        for one in target.relations.values()
        if one.target == model.name or one.target in model.ancestry
        if (one.many != relation.many or "link_model" in relation.options)
        and "viewonly" not in one.options
    ]
    return [one for one in found if one.back_populates in (None, relation.name)]
