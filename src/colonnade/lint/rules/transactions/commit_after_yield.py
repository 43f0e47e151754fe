"""The rule CLN216, commit-after-yield."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._name_inference import is_fixture
from colonnade.lint.project._modules import Function
from colonnade.lint.project._requirements import is_below

BEFORE_RESPONSE, AFTER_RESPONSE = (0, 106), (0, 118)
"""The versions of FastAPI from which the code after ``yield`` runs before and after the response.

https://fastapi.tiangolo.com/advanced/advanced-dependencies/#dependencies-with-yield-httpexception-except-and-background-tasks
"""


class CommitAfterYield(Rule):
    """A dependency commits after its `yield`, when the response has already been sent.

    The code after `yield` runs when the client already has its 201 (FastAPI before 0.106, and from
    0.118; the rule reads which versions the project requires). If
    the commit fails, the client has a response about a row that does not exist. Commit in the
    endpoint, or use `Depends(get_session, scope="function")`, which ends before the response is
    sent.
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

    def check(self, context: Context) -> Iterator[Finding]:
        versions = context.project.requirements.get("fastapi", "")
        if is_below(versions, AFTER_RESPONSE) and not is_below(versions, BEFORE_RESPONSE):
            return
        for function in context.module.functions:
            early = context.project.names.dependencies.get(context.module.qualified_name(function))
            if early is not False or is_fixture(function):
                continue
            yields = [
                descendant
                for descendant in ast.walk(function)
                if isinstance(descendant, ast.Yield)
                and context.module.enclosing_function(descendant) is function
            ]
            if yields:
                yield from self._check_dependency(context, function, yields)

    def _check_dependency(
        self, context: Context, function: Function, yields: list[ast.Yield]
    ) -> Iterator[Finding]:
        flow = context.inference.flow(function, context.module)
        for node, source in flow.commits if flow is not None else ():
            if not isinstance(node, ast.Call):
                continue
            is_enclosing_block = any(
                item.context_expr is node
                for block in context.module.ancestors(yields[0])
                if isinstance(block, ast.With | ast.AsyncWith)
                for item in block.items
            )
            if is_enclosing_block or any(_runs_after(context, node, yield_) for yield_ in yields):
                session = f"`{source}`" if source else "the session"
                message = f"{session} is committed after the response has been sent"
                advice = 'Commit in the endpoint, or use `Depends(..., scope="function")`'
                yield context.finding(self.code, node, message, advice=advice)
                return


def _runs_after(context: Context, node: ast.expr, first: ast.expr) -> bool:
    """Whether an expression runs after another one, even if that one does not fail."""
    return node.lineno > first.lineno and not any(
        isinstance(ancestor, ast.ExceptHandler) for ancestor in context.module.ancestors(node)
    )
