"""The rule CLN210, global-session."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib


class GlobalSession(Rule):
    """Endpoints use a session that is created once, for the module.

    All requests share it, across threads and tasks: their transactions mix, an error in one breaks
    the others ("This Session's transaction has been rolled back"), and the session keeps old rows.
    Create one session per request, in a dependency.
    """

    code = "CLN210"
    name = "global-session"
    source = "https://fastapi.tiangolo.com/tutorial/sql-databases/#create-a-session-dependency"
    bad = """
from fastapi import FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine

engine = create_engine("sqlite:///tasks.db")
session = Session(engine)
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


@app.get("/tasks/{key}")
def title(key: int) -> str:
    return session.get_one(Task, key).title  # CLN210
"""
    good = """
from fastapi import FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


@app.get("/tasks/{key}")
def title(key: int) -> str:
    with Session(engine) as session:
        return session.get_one(Task, key).title
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for function in context.request_functions:
            bound = {
                descendant.id
                for descendant in ast.walk(function)
                if isinstance(descendant, ast.Name) and isinstance(descendant.ctx, ast.Store)
            }
            arguments = function.args
            bound |= {parameter.arg for parameter in (*arguments.args, *arguments.kwonlyargs)}
            for node in ast.walk(function):
                if not isinstance(node, ast.Name) or node.id in bound:
                    continue
                inferred = context.value(node)
                creation = (
                    inferred.node
                    if inferred is not None and inferred.is_instance(lib.SESSIONS)
                    else None
                )
                if creation is not None and inferred is not None and _is_session(context, node):
                    message = (
                        f"all requests share the session `{node.id}`, which is created only once"
                    )
                    advice = "Create a session per request, in a dependency"
                    yield context.finding(self.code, node, message, advice=advice)
                    break


def _is_session(context: Context, node: ast.Name) -> bool:
    """Whether a name is a session itself, not a scoped session or a factory."""
    name = context.resolve(node)
    definition = context.project.definition(name)
    value = getattr(definition[0], "value", None) if definition is not None else None
    if not isinstance(value, ast.Call) or definition is None:
        return False
    flow = context.inference.flow(definition[1].tree, definition[1])
    function = flow.value(value.func) if flow is not None else None
    return function is not None and (
        function.kind is Kind.FACTORY
        or (function.kind is Kind.SYMBOL and function.name in lib.SESSIONS)
    )
