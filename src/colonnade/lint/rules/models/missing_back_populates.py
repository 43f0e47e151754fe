"""The rule CLN102, missing-back-populates."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project._hints import parse_expression
from colonnade.lint.project._models import Model, Relation

ADVICE = "Set `back_populates` on both relations"


class MissingBackPopulates(Rule):
    """A relation does not name the relation on the other side with `back_populates`.

    Two relations over the same foreign key that do not know about each other disagree until their
    rows are loaded again: after a task is appended to `project.tasks`, its `project` is still None,
    and SQLAlchemy warns that both relations write the same column. Set `back_populates` on both
    sides. The rule also reports a list relation without options whose target has no relation back.
    It does not report a single-row relation without another side, or a relation with other options,
    which is one-way by choice.
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

    def check(self, context: Context) -> Iterator[Finding]:
        for model in context.models:
            for relation in model.declared.values():
                if isinstance(relation, Relation) and model.is_table and _is_unpaired(relation):
                    yield from self._check_relation(context, model, relation)

    def _check_relation(
        self, context: Context, model: Model, relation: Relation
    ) -> Iterator[Finding]:
        target = context.project.model(relation.target)
        if target is None or not target.has_known_bases:
            return
        others = _other_sides(model, relation, target)
        problem = f"`{model.class_name}.{relation.name}` has no `back_populates`"
        if len(others) == 1:
            name = others[0].name
            message = f"{problem}, although `{target.class_name}.{name}` is its other side"
            mutual = _other_sides(target, others[0], model) == [relation]
            fix = _fix(context, model, relation, target, others[0]) if mutual else None
            yield context.finding(self.code, relation.node, message, fix=fix, advice=ADVICE)
        elif others:
            names = ", ".join(f"`{other.name}`" for other in others)
            message = f"{problem}, and `{target.class_name}` has several candidates: {names}"
            yield context.finding(self.code, relation.node, message, advice=ADVICE)
        elif (
            relation.uselist
            and not relation.options
            and not _relations_back(model, target)
            and _columns_referring_to(target, model)
        ):
            message = f"{problem}, and `{target.class_name}` has no relation back"
            advice = f"Add a relation to `{target.class_name}`, and set `back_populates` on both"
            yield context.finding(self.code, relation.node, message, advice=advice)


def _is_unpaired(relation: Relation) -> bool:
    """Whether a relation has none of the options that name or exclude another side."""
    return not relation.has_unreadable_options and relation.options.keys().isdisjoint(
        {"back_populates", "backref", "viewonly", "sa_relationship", "primaryjoin", "overlaps"}
    )


def _relations_back(model: Model, target: Model) -> list[Relation]:
    """The relations of the target that refer back to a model."""
    if target is model:
        return []
    return [
        relation
        for relation in target.relations.values()
        if relation.target == model.name or relation.target in model.ancestry
    ]


def _other_sides(model: Model, relation: Relation, target: Model) -> list[Relation]:
    """The relations of the target that may be the other side of a relation."""
    return [
        other
        for other in _relations_back(model, target)
        if _is_other_side(model, relation, target, other)
    ]


def _is_other_side(model: Model, relation: Relation, target: Model, other: Relation) -> bool:
    """Whether two relations use the same link table or foreign key in opposite directions."""
    if other.back_populates != relation.name and not _is_unpaired(other):
        return False
    if _link_table(relation) or _link_table(other):
        return _link_table(relation) == _link_table(other)
    return relation.uselist != other.uselist and _foreign_key_columns(
        model, relation, target
    ) == _foreign_key_columns(target, other, model)


def _link_table(relation: Relation) -> str:
    """The qualified name of a relation's link table; empty if it has none."""
    link = relation.options.get("link_model") or relation.options.get("secondary")
    return "" if link is None else relation.owner.resolve(link) or ast.unparse(link)


def _foreign_key_columns(model: Model, relation: Relation, target: Model) -> frozenset[str]:
    """The columns of the foreign keys that a relation without a link table uses."""
    chosen = relation.options.get("foreign_keys")
    if chosen is not None:
        return _column_names(chosen)
    return (
        _columns_referring_to(target, model)
        if relation.uselist
        else _columns_referring_to(model, target)
    )


def _columns_referring_to(child: Model, parent: Model) -> frozenset[str]:
    """The columns of a model that refer to the table of another one."""
    return frozenset(
        name
        for name, field in child.fields.items()
        if parent.tablename
        and f".{field.foreign_key or ''}".rpartition(".")[0].endswith(f".{parent.tablename}")
    )


def _column_names(keys: ast.expr) -> frozenset[str]:
    """The columns that ``foreign_keys=`` names, in any of its notations."""
    match keys:
        case ast.Constant(value=str(text)):
            inner = parse_expression(text)
            return _column_names(inner) if inner is not None else frozenset()
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return frozenset().union(*map(_column_names, elements))
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return frozenset({name})
        case ast.Lambda(body=body):
            return _column_names(body)
        case _:
            return frozenset({ast.unparse(keys)})


def _fix(context: Context, model: Model, relation: Relation, target: Model, other: Relation) -> Fix:
    """Make two relations name each other.

    The fix is unsafe if the other relation is in another file, since changing only one of them
    leaves half a pair.
    """
    edits = [*context.editor.add_argument(relation.call, f'back_populates="{other.name}"')]
    together = other.back_populates is not None
    if not together and other.owner.module is context.module:
        edits += context.editor.add_argument(other.call, f'back_populates="{relation.name}"')
        together = True
    is_unambiguous = (
        bool(_link_table(relation)) or len(_foreign_key_columns(model, relation, target)) == 1
    )
    return Fix(
        f'Add `back_populates="{other.name}"`', tuple(edits), safe=together and is_unambiguous
    )
