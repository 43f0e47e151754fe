"""CLN203."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._modules import Function
from colonnade.lint.rules.sessions._blocking_calls import blocking_call


class SyncSessionInAsync(Rule):
    """An async endpoint, or an async dependency, calls the database with a sync session.

    The event loop stands still until the database answers: one slow query holds up every request of
    the process. Write `def` instead of `async def`, and FastAPI runs it in a thread; or use an
    AsyncSession.
    """

    code = "CLN203"
    name = "sync-session-in-async"
    source = "https://fastapi.tiangolo.com/async/"
    bad = """
from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


def get_session():
    with Session(engine) as session:
        yield session


@app.get("/titles")
async def titles(session: Session = Depends(get_session)) -> list[str]:
    return [task.title for task in session.exec(select(Task))]  # CLN203
"""
    good = """
from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


def get_session():
    with Session(engine) as session:
        yield session


@app.get("/titles")
def titles(session: Session = Depends(get_session)) -> list[str]:
    return [task.title for task in session.exec(select(Task))]
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for function in context.request_functions:
            if isinstance(function, ast.AsyncFunctionDef):
                call = _first(context, function)
                if call is not None:
                    message = (
                        f"`{function.name}` is async, and waits for the database here with the "
                        "event loop standing still"
                    )
                    advice = "Write `def`, so that it runs in a thread, or use an AsyncSession"
                    yield context.finding(self.code, call, message, advice=advice, whole=False)


def _first(context: Context, function: Function) -> ast.Call | None:
    flow = context.inference.flow(function, context.module)
    calls = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and context.module.enclosing_function(node) is function
        and flow is not None
        and blocking_call(flow.values, node)
    ]
    return min(calls, key=lambda call: (call.lineno, call.col_offset), default=None)
