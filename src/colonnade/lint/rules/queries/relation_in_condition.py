"""The rule CLN302, relation-in-condition."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._examples import SYNC


class RelationInCondition(Rule):
    """A condition reads a column through a relation: `Task.project.name`.

    A relation does not have the columns of its target, so this raises `AttributeError: Neither
    'InstrumentedAttribute' object nor 'Comparator' object associated with Task.project has an
    attribute 'name'`. Join the other table, or use `Task.project.has(...)` or
    `Project.tasks.any(...)`.
    """

    code = "CLN302"
    name = "relation-in-condition"
    bad = f"""{SYNC}

def of_project(session: Session, name: str):
    return session.exec(select(Task).where(Task.project.name == name)).all()  # CLN302
"""
    good = f"""{SYNC}

def of_project(session: Session, name: str):
    return session.exec(select(Task).join(Project).where(Project.name == name)).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.nodes(ast.Attribute):
            inferred = context.value(node.value)
            if inferred is None or inferred.kind is not Kind.RELATION or inferred.model is None:
                continue
            relation = inferred.model.relations.get(inferred.name)
            target = context.project.model(relation.target) if relation is not None else None
            if (
                target is not None
                and isinstance(node, ast.Attribute)
                and node.attr in target.members
            ):
                text = context.editor.text(node)
                message = (
                    f"`{text}` raises AttributeError: a relation does not have the columns of its "
                    "target"
                )
                method = "any" if relation and relation.uselist else "has"
                advice = f"Join `{target.class_name}`, or use `.{method}(...)`"
                yield context.finding(self.code, node, message, advice=advice)
