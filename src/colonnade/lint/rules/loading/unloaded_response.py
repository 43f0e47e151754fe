"""The rule CLN207, unloaded-response."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context, Endpoint
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import DETACHED, Kind, Value
from colonnade.lint.rules._examples import ASYNC, ASYNC_EAGER
from colonnade.lint.rules.schemas._responses import response_schema

CONSEQUENCES = {
    "async": "raises MissingGreenlet",
    "sync": "runs a query for each row",
    DETACHED: "raises DetachedInstanceError",
}


class UnloadedResponse(Rule):
    """A response schema has a relation that the endpoint's rows were loaded without.

    FastAPI reads the relation when it builds the response. With an AsyncSession that raises
    MissingGreenlet, a 500; with a sync session it runs a query for each row. Load it with the
    statement: `.options(selectinload(Task.project))`.
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
            schema = response_schema(context, endpoint)
            if schema is None or not schema.is_schema:
                continue
            for node in ast.walk(endpoint.node):
                if not isinstance(node, ast.Return) or node.value is None:
                    continue
                if context.module.enclosing_function(node) is endpoint.node:
                    yield from self._check_returned(
                        context, endpoint, node.value, set(schema.fields)
                    )

        for call in context.module.calls_named("model_validate", "from_orm"):
            receiver = (
                context.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
            )
            validated = context.project.model(receiver.name) if receiver is not None else None
            if validated is not None and validated.is_schema and call.args:
                yield from self._check_row(context, call, set(validated.fields))

    def _check_row(
        self, context: Context, call: ast.Call, response_fields: set[str]
    ) -> Iterator[Finding]:
        """Check a row whose attributes a schema reads: ``TaskRead.model_validate(task)``."""
        row = context.value(call.args[0])
        if (
            row is not None
            and row.kind is Kind.ROW
            and (row.name == "async" or any(context.enclosing_loops(call)))
        ):
            yield from self._missing(context, call, row, response_fields)

    def _check_returned(
        self, context: Context, endpoint: Endpoint, node: ast.expr, response_fields: set[str]
    ) -> Iterator[Finding]:
        inferred = context.value(node)
        is_collection = inferred is not None and inferred.kind in (Kind.COLLECTION, Kind.ROWS)
        row: Value | None = inferred.item if is_collection and inferred is not None else inferred
        if row is None or row.kind is not Kind.ROW or row.model is None or row.loads is None:
            return
        if row.name == "sync" and not is_collection:
            return
        yield from self._missing(context, node, row, response_fields)

    def _missing(
        self, context: Context, node: ast.expr, row: Value, response_fields: set[str]
    ) -> Iterator[Finding]:
        if row.model is None or row.loads is None or not row.attached:
            return
        missing = [
            name
            for name, relation in row.model.relations.items()
            if name in response_fields and relation.is_lazy and name not in row.loads
            if name not in _refreshed(context, node)
        ]
        if not missing:
            return
        names = ", ".join(f"`{name}`" for name in missing)
        options = ", ".join(f"selectinload({row.model.class_name}.{name})" for name in missing)
        was, it = ("was", "it") if len(missing) == 1 else ("were", "them")
        message = (
            f"the response contains {names}, which {was} not loaded: reading {it} "
            f"{CONSEQUENCES[row.name]}"
        )
        advice = f"Load {it} with the statement: `.options({options})`"
        yield context.finding(self.code, node, message, advice=advice)


def _refreshed(context: Context, node: ast.expr) -> set[object]:
    """The relations that ``refresh(row, ["project"])`` loads in the function of a row."""
    function = context.module.enclosing_function(node)
    name = node.args[0] if isinstance(node, ast.Call) and node.args else node
    return {
        element.value
        for call in context.module.calls_named("refresh")
        if context.module.enclosing_function(call) is function
        and call.args
        and ast.dump(call.args[0]) == ast.dump(name)
        for names in (*call.args[1:], *(keyword.value for keyword in call.keywords))
        if isinstance(names, ast.List | ast.Tuple | ast.Set)
        for element in names.elts
        if isinstance(element, ast.Constant)
    }
