"""CLN207."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context, Endpoint
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.rules._examples import ASYNC, ASYNC_EAGER
from colonnade.lint.rules.schemas._responses import schema_of


class UnloadedResponse(Rule):
    """An endpoint's response schema has a relation that its rows were not loaded with.

    FastAPI reads it when it builds the answer. With an AsyncSession that raises MissingGreenlet, a
    500; with a sync one it is a query for each row. Load it with the statement:
    `selectinload(Task.project)`.
    """

    code = "CLN207"
    name = "unloaded-response"
    bad = f"""
from fastapi import Depends, FastAPI
{ASYNC}

class ProjectRead(SQLModel):
    name: str


class TaskRead(SQLModel):
    id: int
    project: ProjectRead | None


async def get_session():
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


app = FastAPI()


@app.get("/tasks", response_model=list[TaskRead])
async def tasks(session: AsyncSession = Depends(get_session)):
    return (await session.exec(select(Task))).all()  # CLN207
"""
    good = f"""
from fastapi import Depends, FastAPI
{ASYNC_EAGER}

class ProjectRead(SQLModel):
    name: str


class TaskRead(SQLModel):
    id: int
    project: ProjectRead | None


async def get_session():
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


app = FastAPI()


@app.get("/tasks", response_model=list[TaskRead])
async def tasks(session: AsyncSession = Depends(get_session)):
    return (await session.exec(select(Task).options(selectinload(Task.project)))).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for endpoint in context.endpoints:
            schema = schema_of(context, endpoint)
            if schema is None or not schema.is_schema:
                continue
            for node in ast.walk(endpoint.node):
                if not isinstance(node, ast.Return) or node.value is None:
                    continue
                if context.module.enclosing_function(node) is endpoint.node:
                    yield from self._judge(context, endpoint, node.value, set(schema.members))

    def _judge(
        self, context: Context, endpoint: Endpoint, node: ast.expr, wanted: set[str]
    ) -> Iterator[Finding]:
        inferred = context.value(node)
        several = inferred is not None and inferred.kind in (Kind.COLLECTION, Kind.ROWS)
        row: Value | None = inferred.item if several and inferred is not None else inferred
        if row is None or row.kind is not Kind.ROW or row.model is None or row.loads is None:
            return
        if not row.attached or (row.name == "sync" and not several):
            return
        for name, relation in row.model.relations.items():
            if name in wanted and relation.is_lazy and name not in row.loads:
                class_name = row.model.class_name
                cost = (
                    "raises MissingGreenlet" if row.name == "async" else "is a query for each row"
                )
                message = f"the response has `{name}`, which is not loaded: reading it {cost}"
                advice = f"Load it along: `.options(selectinload({class_name}.{name}))`"
                yield context.finding(self.code, node, message, advice=advice)
