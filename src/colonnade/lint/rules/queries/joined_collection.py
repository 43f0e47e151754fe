"""The rule CLN313, joined-collection."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import last_name

FETCHES = frozenset({"all", "fetchall", "fetchmany", "partitions"})
BEFORE = "from sqlalchemy.orm import joinedload"


class JoinedCollection(Rule):
    """A list is loaded with `joinedload`, and the result is not made unique.

    The join returns a row for each related row, and SQLAlchemy refuses to guess: "The unique()
    method must be invoked on this Result, as it contains results that need to be deduplicated".
    Call `unique()`, or load the list with `selectinload`, which has no such rows.
    """

    code = "CLN313"
    name = "joined-collection"
    source = (
        "https://docs.sqlalchemy.org/en/21/errors.html#error-bdeb"
        if False
        else (
            "https://docs.sqlalchemy.org/en/21/orm/queryguide/relationships.html#joined-eager-loading"
        )
    )
    bad = f"""{models(before=BEFORE)}

def projects(session: Session) -> list[Project]:
    statement = select(Project).options(joinedload(Project.tasks))
    return list(session.exec(statement).all())  # CLN313
"""
    good = f"""{models(before=BEFORE)}

def projects(session: Session) -> list[Project]:
    statement = select(Project).options(joinedload(Project.tasks))
    return list(session.exec(statement).unique().all())
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls_named(*FETCHES):
            executed = _receiver(call)
            if executed is not None and last_name(executed.func) == "scalars" and not executed.args:
                executed = _receiver(executed)  # `session.execute(...).scalars()`
            if executed is None or context.session_of(executed) is None:
                continue
            name = _joined_list(context, executed.args[0]) if executed.args else ""
            if name:
                message = f"`joinedload` repeats the rows for each of `{name}`: SQLAlchemy refuses"
                advice = f"Call `unique()` first, or use `selectinload({name})`"
                yield context.finding(self.code, call, message, advice=advice, whole=False)


def _receiver(call: ast.Call) -> ast.Call | None:
    """The call whose result a method is called on, awaited or not."""
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    receiver = receiver.value if isinstance(receiver, ast.Await) else receiver
    return receiver if isinstance(receiver, ast.Call) else None


def _joined_list(context: Context, statement: ast.expr) -> str:
    """The list that a statement loads with ``joinedload``; empty without one."""
    if isinstance(statement, ast.Name):
        function = context.module.enclosing_function(statement) or context.module.tree
        values = [
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and any(last_name(target) == statement.id for target in node.targets)
        ]
        if len(values) != 1:
            return ""
        statement = values[0]
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
            continue
        if context.resolve(node.func) != "sqlalchemy.orm.joinedload":
            continue
        relation = context.value(node.args[0])
        if relation is not None and relation.kind is Kind.RELATION and relation.model is not None:
            if relation.model.relations[relation.name].uselist:
                return f"{relation.model.class_name}.{relation.name}"
    return ""
