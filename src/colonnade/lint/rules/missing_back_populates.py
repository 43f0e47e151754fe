"""CLN102."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project._hints import parsed
from colonnade.lint.project._models import Model, Relation


class MissingBackPopulates(Rule):
    """A relation does not name the relation on the other side.

    Two relations over the same foreign key that do not know of each other disagree until the rows
    are read again: a task added to `project.tasks` still has `project` None, and SQLAlchemy warns
    that both write the same column. `back_populates` on both keeps them together. A plain list that
    has no other side is found too; a single row without one is not, nor a relation with other
    options, which is one direction by choice.
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
        others = _others(model, relation, target)
        problem = f"`{model.title}.{relation.name}` names no `back_populates`"
        if len(others) == 1:
            name = others[0].name
            message = f"{problem}: `{target.title}.{name}` is its other side"
            mutual = _others(target, others[0], model) == [relation]
            fix = _fix(at, model, relation, target, others[0]) if mutual else None
            yield at.find(self.code, relation.node, message, fix=fix)
        elif others:
            names = ", ".join(f"`{other.name}`" for other in others)
            yield at.find(self.code, relation.node, f"{problem}: {target.title} has {names}")
        elif (
            relation.many
            and not relation.options
            and not _back(model, target)
            and _keys(target, model)
        ):
            message = f"{problem}, and `{target.title}` has no relation back"
            yield at.find(self.code, relation.node, message)


def _alone(relation: Relation) -> bool:
    """Whether a relation names no other side, in any of the ways to do so."""
    return not relation.opaque and relation.options.keys().isdisjoint(
        {"back_populates", "backref", "viewonly", "sa_relationship", "primaryjoin", "overlaps"}
    )


def _back(model: Model, target: Model) -> list[Relation]:
    """The relations of the target that lead back to a model."""
    if target is model:
        return []
    return [
        relation
        for relation in target.relations.values()
        if relation.target == model.name or relation.target in model.ancestry
    ]


def _others(model: Model, relation: Relation, target: Model) -> list[Relation]:
    """The relations of the target that may be the other side of one."""
    return [
        candidate
        for candidate in _back(model, target)
        if _is_other_side(model, relation, target, candidate)
    ]


def _is_other_side(model: Model, relation: Relation, target: Model, other: Relation) -> bool:
    """Whether two relations go the same way, in opposite directions.

    That is through the same link table, or over the same foreign key.
    """
    if other.back_populates != relation.name and not _alone(other):
        return False
    if _link(relation) or _link(other):
        return _link(relation) == _link(other)
    return relation.many != other.many and _path(model, relation, target) == _path(
        target, other, model
    )


def _link(relation: Relation) -> str:
    """The one name of the link table that a relation goes through; empty without one."""
    link = relation.options.get("link_model") or relation.options.get("secondary")
    return "" if link is None else relation.owner.meaning(link) or ast.unparse(link)


def _path(model: Model, relation: Relation, target: Model) -> frozenset[str]:
    """The names of the foreign keys that a relation without a link table goes over."""
    chosen = relation.options.get("foreign_keys")
    if chosen is not None:
        return _names(chosen)
    return _keys(target, model) if relation.many else _keys(model, target)


def _keys(child: Model, parent: Model) -> frozenset[str]:
    """The columns of a model that refer to the table of another."""
    return frozenset(
        name
        for name, attribute in child.attributes.items()
        if parent.tablename
        and f".{attribute.foreign_key or ''}".rpartition(".")[0].endswith(f".{parent.tablename}")
    )


def _names(keys: ast.expr) -> frozenset[str]:
    """The columns of ``foreign_keys=``, in any of the ways to write them."""
    match keys:
        case ast.Constant(value=str(text)):
            inner = parsed(text)
            return _names(inner) if inner is not None else frozenset()
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return frozenset().union(*map(_names, elements))
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return frozenset({name})
        case ast.Lambda(body=body):
            return _names(body)
        case _:
            return frozenset({ast.unparse(keys)})


def _fix(at: Context, model: Model, relation: Relation, target: Model, other: Relation) -> Fix:
    """What makes two relations name each other: both of them or, if only one is here, not safely.

    A relation that names one which does not name it back is half a pair.
    """
    edits = [*at.edit.add_argument(relation.call, f'back_populates="{other.name}"')]
    together = other.back_populates is not None
    if not together and other.owner.module is at.module:
        edits += at.edit.add_argument(other.call, f'back_populates="{relation.name}"')
        together = True
    sure = bool(_link(relation)) or len(_path(model, relation, target)) == 1
    return Fix(f'Add `back_populates="{other.name}"`', tuple(edits), safe=together and sure)
