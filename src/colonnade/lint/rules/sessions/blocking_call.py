"""The rule CLN204, blocking-call."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._paths import dotted_name
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._modules import Function, Module
from colonnade.lint.project._project import ModuleScope
from colonnade.lint.rules.sessions._blocking_calls import BLOCKING_FUNCTIONS, is_blocking_call

MAX_CALLS = 3
"""Functions through which a call is followed."""


class BlockingCall(Rule):
    """An async endpoint calls a function of the project that waits for the database.

    The function is sync and uses a sync session: called from async code, it blocks the event loop
    until its queries are done. Run it in a thread (`await run_in_threadpool(...)`), declare
    the endpoint with `def`, or make the function async.
    """

    code = "CLN204"
    name = "blocking-call"
    bad = """
from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


def count_tasks() -> int:
    with Session(engine) as session:
        return len(session.exec(select(Task.id)).all())  # noqa: CLN310


@app.get("/count")
async def count() -> int:
    return count_tasks()  # CLN204
"""
    good = """
from fastapi import Depends, FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


def count_tasks() -> int:
    with Session(engine) as session:
        return len(session.exec(select(Task.id)).all())  # noqa: CLN310


@app.get("/count")
def count() -> int:
    return count_tasks()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for function in context.request_functions:
            if not isinstance(function, ast.AsyncFunctionDef):
                continue
            for node in ast.walk(function):
                if (
                    not isinstance(node, ast.Call)
                    or context.module.enclosing_function(node) is not function
                ):
                    continue
                inferred = context.value(node.func)
                if inferred is None or inferred.kind is not Kind.SYMBOL:
                    continue
                called = context.project.function(inferred.name)
                waits_for = "" if called is None else _blocks(context, *called, depth=0)
                if called is not None and waits_for:
                    message = f"`{called[0].name}` waits for {waits_for}: it blocks the event loop"
                    advice = (
                        "Declare this endpoint with `def`, or use `await run_in_threadpool(...)`"
                    )
                    yield context.finding(self.code, node, message, advice=advice, whole=False)


def _blocks(context: Context, function: Function, module: Module, depth: int) -> str:
    """What a function, or one that it calls, waits for; empty if it does not block."""
    if isinstance(function, ast.AsyncFunctionDef) or depth > MAX_CALLS:
        return ""
    flow = context.inference.flow(function, module)
    if flow is None or flow.yielded or _has_decorator(function):
        return ""
    scope = ModuleScope(context.project, module)
    for node in ast.walk(function):
        if not isinstance(node, ast.Call) or module.enclosing_function(node) is not function:
            continue
        if is_blocking_call(flow.values, node):
            return "the database"
        name = scope.resolve(node.func)
        if name in BLOCKING_FUNCTIONS:
            return f"`{name}`"
        inferred = flow.values.get(node.func)
        called = (
            context.project.function(inferred.name)
            if inferred and inferred.kind is Kind.SYMBOL
            else None
        )
        if called is not None and called[0] is not function:
            waits_for = _blocks(context, *called, depth + 1)
            if waits_for:
                return waits_for
    return ""


def _has_decorator(function: Function) -> bool:
    """Whether a function has a decorator, which may run it in a thread."""
    names = {dotted_name(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    return bool(names - {"staticmethod", "classmethod"})
