"""The rule CLN219, detached-row."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import DETACHED
from colonnade.lint.rules._examples import SYNC, models
from colonnade.lint.rules._lazy_reads import first_reads


class DetachedRow(Rule):
    """A relation of a row is read after the session of the row has ended.

    The row is no longer attached to a session that could load it: "Parent instance is not bound to
    a Session; lazy load operation of attribute cannot proceed" (DetachedInstanceError). Load the
    relation with the statement, or use the row inside of the block of its session.
    """

    code = "CLN219"
    name = "detached-row"
    source = "https://docs.sqlalchemy.org/en/21/errors.html#error-bhk3"
    bad = f"""{SYNC}

def load(key: int) -> Task:
    with Session(engine) as session:
        return session.get_one(Task, key)


def describe(key: int) -> str:
    task = load(key)
    return f"{{task.title}} of {{task.project.name}}"  # CLN219
"""
    good = f"""{models(before="from sqlalchemy.orm import selectinload")}

def load(key: int) -> Task:
    with Session(engine) as session:
        return session.get_one(Task, key, options=[selectinload(Task.project)])


def describe(key: int) -> str:
    task = load(key)
    return f"{{task.title}} of {{task.project.name}}"
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for read in first_reads(context):
            if read.row.name == DETACHED and read.row.model is not None:
                class_name = read.row.model.class_name
                message = (
                    f"`{class_name}.{read.name}` was not loaded, and the session of the row has "
                    "ended: DetachedInstanceError"
                )
                option = f".options(selectinload({class_name}.{read.name}))"
                advice = f"Load it with the statement: `{option}`"
                yield context.finding(self.code, read.node, message, advice=advice)
