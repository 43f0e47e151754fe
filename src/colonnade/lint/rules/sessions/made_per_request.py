"""The rule CLN211, made-per-request."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import Function

ENGINES = (lib.ENGINE, lib.ASYNC_ENGINE)


class MadePerRequest(Rule):
    """An endpoint or a dependency creates an engine or a sessionmaker for each request.

    An engine has a pool of connections: a new engine per request opens new connections each time,
    and leaves them open until it is garbage-collected. A sessionmaker only costs time. Create both
    once, at module level.
    """

    code = "CLN211"
    name = "made-per-request"
    in_tests = False
    source = "https://docs.sqlalchemy.org/en/21/core/connections.html#basic-usage"
    bad = """
from fastapi import Depends, FastAPI
from sqlmodel import Session, create_engine

app = FastAPI()


def get_session():
    engine = create_engine("sqlite:///tasks.db")  # CLN211
    with Session(engine) as session:
        yield session


@app.get("/tasks")
def tasks(session: Session = Depends(get_session)):
    return load(session)
"""
    good = """
from fastapi import Depends, FastAPI
from sqlmodel import Session, create_engine

app = FastAPI()
engine = create_engine("sqlite:///tasks.db")


def get_session():
    with Session(engine) as session:
        yield session


@app.get("/tasks")
def tasks(session: Session = Depends(get_session)):
    return load(session)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for call in context.module.calls:
            inferred = context.value(call)
            if inferred is None or inferred.node is not call:
                continue
            engine = inferred.is_instance(set(ENGINES))
            if not engine and inferred.kind is not Kind.FACTORY:
                continue
            function = context.module.enclosing_function(call)
            if (
                function is not None
                and function in context.request_functions
                and not _is_kept(function, call, context)
            ):
                what = "an engine" if engine else "a sessionmaker"
                message = f"`{function.name}` creates {what} for each request"
                advice = "Create it once, at module level"
                yield context.finding(self.code, call, message, advice=advice)


def _is_kept(function: Function, call: ast.Call, context: Context) -> bool:
    """Whether the created object is cached, or assigned to a global or an attribute."""
    if any("cache" in ast.unparse(decorator) for decorator in function.decorator_list):
        return True
    parent = context.module.parent(call)
    targets = getattr(parent, "targets", [])
    shared = {
        name
        for statement in ast.walk(function)
        if isinstance(statement, ast.Global)
        for name in statement.names
    }
    return any(
        isinstance(target, ast.Attribute | ast.Subscript)
        or (isinstance(target, ast.Name) and target.id in shared)
        for target in targets
    )
