"""CLN216."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._name_inference import is_fixture
from colonnade.lint.project._modules import Function


class CommitAfterYield(Rule):
    """A dependency commits after its `yield`: after the answer was sent.

    What comes after the `yield` runs when the client has its 201 already (FastAPI 0.118 and later).
    If the commit fails, the client was told of a row that is not there. Commit in the endpoint, or
    depend with `Depends(get_session, scope="function")`, which ends before the answer.
    """

    code = "CLN216"
    name = "commit-after-yield"
    source = "https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-with-yield/"
    bad = """
from fastapi import Depends, FastAPI
from sqlmodel import Session, create_engine

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


def get_session():
    with Session(engine) as session:
        yield session
        session.commit()  # CLN216


@app.post("/tasks")
def create(session: Session = Depends(get_session)) -> None:
    store(session)
"""
    good = """
from fastapi import Depends, FastAPI
from sqlmodel import Session, create_engine

engine = create_engine("sqlite:///tasks.db")
app = FastAPI()


def get_session():
    with Session(engine) as session:
        yield session
        session.commit()


@app.post("/tasks")
def create(session: Session = Depends(get_session, scope="function")) -> None:
    store(session)
"""

    def check(self, at: Context) -> Iterator[Finding]:
        for function in at.module.functions:
            early = at.project.names.dependencies.get(at.module.qualified(function))
            if early is not False or is_fixture(function):
                continue
            yields = [
                one
                for one in ast.walk(function)
                if isinstance(one, ast.Yield) and at.module.function(one) is function
            ]
            if yields:
                yield from self._judge(at, function, yields)

    def _judge(self, at: Context, function: Function, yields: list[ast.Yield]) -> Iterator[Finding]:
        flow = at.inference.flow(function, at.module)
        for node, source in flow.commits if flow is not None else ():
            if not isinstance(node, ast.Call):
                continue
            around = any(
                isinstance(one, ast.With | ast.AsyncWith) for one in at.module.above(yields[0])
                if any(item.context_expr is node for item in getattr(one, "items", ()))
            )  # fmt: skip
            if around or any(_runs_after(at, node, one) for one in yields):
                message = (
                    f"`{source or 'the session'}` is committed when the answer was sent already"
                )
                advice = 'Commit in the endpoint, or use `Depends(..., scope="function")`'
                yield at.find(self.code, node, message, advice=advice)
                return


def _runs_after(at: Context, node: ast.expr, first: ast.expr) -> bool:
    """Whether an expression runs after another one, and not only when that fails."""
    return node.lineno > first.lineno and not any(
        isinstance(one, ast.ExceptHandler) for one in at.module.above(node)
    )
