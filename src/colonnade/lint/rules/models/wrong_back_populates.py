"""The rule CLN103, wrong-back-populates."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Model, Relation


class WrongBackPopulates(Rule):
    """`back_populates` names a missing attribute, or a relation paired with another one.

    SQLAlchemy resolves relations when the first query runs, and raises then: every query of the
    program fails, not only those of these two tables. Use the relation on the other side whose
    `back_populates` names this one.
    """

    code = "CLN103"
    name = "wrong-back-populates"
    fixes = "unsafe"
    bad = """
from sqlmodel import Field, Relationship, SQLModel


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship(back_populates="projects")  # CLN103


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
"""
    good = """
from sqlmodel import Field, Relationship, SQLModel


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tasks: list["Task"] = Relationship(back_populates="project")


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for model in context.models:
            for relation in model.declared.values():
                if isinstance(relation, Relation) and model.is_table and relation.back_populates:
                    yield from self._check_relation(context, model, relation)

    def _check_relation(
        self, context: Context, model: Model, relation: Relation
    ) -> Iterator[Finding]:
        target = context.project.model(relation.target)
        if (
            target is None
            or not target.has_known_bases
            or not target.is_table
            or relation.has_unreadable_options
        ):
            return
        named = relation.back_populates or ""
        if target.defines(named):
            return  # a declared_attr, which may be a relation
        other = target.relations.get(named)
        if other is None and named in target.members:
            problem = f"`{target.class_name}.{named}` is not a relation"
        elif other is None:
            problem = f"`{target.class_name}` has no attribute `{named}`"
        elif other.back_populates in model.relations and other.back_populates != relation.name:
            problem = f"`{target.class_name}.{named}` is paired with `{other.back_populates}`"
        else:
            return
        value = relation.options["back_populates"]
        candidates = [
            other_relation.name
            for other_relation in target.relations.values()
            if other_relation.target == model.name
            and other_relation.back_populates == relation.name
        ]
        fix = None
        if len(candidates) == 1:
            fix = Fix(
                f"Change it to `{candidates[0]}`",
                (context.editor.replace(value, f'"{candidates[0]}"'),),
                safe=False,
            )
        message = f'`back_populates="{named}"`: {problem}'
        advice = (
            f"Name the relation of `{target.class_name}` whose `back_populates` is "
            f"`{relation.name}`"
        )
        yield context.finding(self.code, value, message, fix=fix, advice=advice)
