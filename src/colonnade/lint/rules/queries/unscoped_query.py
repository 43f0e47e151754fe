"""The rule CLN312, unscoped-query."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context, Endpoint
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.queries._scopes import EndpointAccess, TableScope
from colonnade.lint.rules.queries._tables import EXECUTE_METHODS, GET_METHODS, accessed_tables


class UnscopedQuery(Rule):
    """An endpoint reads or changes the rows of a table without the table's scope.

    A scope applies to the generated endpoints of a Resource, not to sessions: a statement that an
    endpoint executes itself covers the rows of all users. Depend on `tasks.reachable`, a condition
    that contains the scope, and add it to the statement. `tasks.query` and `page.apply()` contain
    the scope as well.

    There is no finding if the endpoint may restrict its rows in another way: it uses the user,
    names a field that the scope names, has a guard or a condition that the rule cannot read, or
    belongs to a Resource with `scope=Unscoped`.
    """

    code = "CLN312"
    name = "unscoped-query"
    in_tests = False
    in_migrations = False
    bad = """
from typing import Annotated

from colonnade import Database, Field, Resource, Session, SQLModel, select
from fastapi import Depends, FastAPI, Header

app = FastAPI()
db = Database()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    title: str


def own_tasks(user: Annotated[int, Header()]) -> dict[str, int]:
    return {"owner_id": user}


tasks = Resource(Task, db, scope=own_tasks)


@tasks.get("/titles")
def titles(session: Annotated[Session, Depends(db.get_session)]) -> list[str]:
    return list(session.exec(select(Task.title).order_by(Task.id)))  # CLN312
"""
    good = """
from typing import Annotated

from colonnade import Database, Field, Resource, Session, SQLModel, select
from fastapi import Depends, FastAPI, Header
from sqlalchemy import ColumnElement

app = FastAPI()
db = Database()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int
    title: str


def own_tasks(user: Annotated[int, Header()]) -> dict[str, int]:
    return {"owner_id": user}


tasks = Resource(Task, db, scope=own_tasks)


@tasks.get("/titles")
def titles(
    reachable: Annotated[ColumnElement[bool], Depends(tasks.reachable)],
    session: Annotated[Session, Depends(db.get_session)],
) -> list[str]:
    return list(session.exec(select(Task.title).where(reachable).order_by(Task.id)))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        if not context.project.names.scopes:
            return
        endpoints = {endpoint.node: endpoint for endpoint in context.endpoints}
        for call in context.module.calls_named(*EXECUTE_METHODS, *GET_METHODS):
            function = context.module.enclosing_function(call)
            endpoint = endpoints.get(function) if function is not None else None
            if endpoint is not None and context.session_of(call) is not None:
                yield from self._check_call(context, endpoint, call)

    def _check_call(
        self, context: Context, endpoint: Endpoint, call: ast.Call
    ) -> Iterator[Finding]:
        access = EndpointAccess(context, endpoint)
        for model in dict.fromkeys(accessed_tables(context, call)):
            scope = TableScope.of(context, model)
            if scope is None or access.is_restricted(scope):
                continue
            message = (
                f"`{endpoint.node.name}` accesses all rows of `{model.class_name}`, whose scope "
                f"`{scope.name.rpartition('.')[2]}` does not apply to a session"
            )
            advice = "Depend on `reachable` of its Resource, and add `.where(reachable)`"
            yield context.finding(self.code, call, message, advice=advice, whole=False)
