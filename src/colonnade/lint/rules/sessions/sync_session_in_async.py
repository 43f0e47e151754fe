"""The rule CLN203, sync-session-in-async."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._modules import Function
from colonnade.lint.rules.sessions._blocking_calls import is_blocking_call


class SyncSessionInAsync(Rule):
    """An async endpoint, or an async dependency, uses a sync session.

    The event loop is blocked until the database answers: one slow query delays every request of the
    process. Use `def` instead of `async def`, so that FastAPI runs the function in a thread, or use
    an AsyncSession.
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
                call = _first_blocking_call(context, function)
                if call is not None:
                    message = (
                        f"`{function.name}` is async, but this call blocks the event loop until "
                        "the database answers"
                    )
                    advice = "Use `def`, so that it runs in a thread, or use an AsyncSession"
                    yield context.finding(self.code, call, message, advice=advice, whole=False)


def _first_blocking_call(context: Context, function: Function) -> ast.Call | None:
    """The first call of a function that waits for the database, or None."""
    flow = context.inference.flow(function, context.module)
    calls = [
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and context.module.enclosing_function(node) is function
        and flow is not None
        and is_blocking_call(flow.values, node)
    ]
    return min(calls, key=lambda call: (call.lineno, call.col_offset), default=None)
