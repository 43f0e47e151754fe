"""The rule CLN217, session-override."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._name_inference import infer_dependency, infer_return
from colonnade.lint.inference._values import Kind, Value
from colonnade.lint.project import _known_names as lib


class SessionOverride(Rule):
    """A test overrides a dependency with a session of the other kind.

    An async endpoint awaits the session's results, and those of a sync session cannot be awaited
    ("object ScalarResult can't be used in 'await' expression"); a sync endpoint cannot await those
    of an async session. The override must provide the same kind of session. With Colonnade's test
    fixtures there is nothing to override.
    """

    code = "CLN217"
    name = "session-override"
    bad = """
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Session, create_engine
from sqlmodel.ext.asyncio.session import AsyncSession

app = FastAPI()
engine = create_async_engine("sqlite+aiosqlite:///tasks.db")


async def get_session():
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def session():
    with Session(create_engine("sqlite://")) as session:
        yield session


@pytest.fixture
def client(session):
    app.dependency_overrides[get_session] = lambda: session  # CLN217
    yield TestClient(app)
    app.dependency_overrides.clear()
"""
    good = """
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

app = FastAPI()
engine = create_async_engine("sqlite+aiosqlite:///tasks.db")


async def get_session():
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


async def get_test_session():
    test_engine = create_async_engine("sqlite+aiosqlite://")
    async with AsyncSession(test_engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def client():
    app.dependency_overrides[get_session] = get_test_session
    yield TestClient(app)
    app.dependency_overrides.clear()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.nodes(ast.Assign):
            target = node.targets[0]
            if not isinstance(target, ast.Subscript):
                continue
            overrides = target.value
            if not isinstance(overrides, ast.Attribute) or overrides.attr != "dependency_overrides":
                continue
            original = infer_dependency(context.inference, context.resolve(target.slice))
            override = self._provided(context, node.value)
            if _kind(original) and _kind(override) and _kind(original) != _kind(override):
                name = context.editor.text(target.slice)
                message = (
                    f"`{name}` provides {_kind(original)} session, but its override provides "
                    f"{_kind(override)} one"
                )
                advice = "Override it with the same kind of session"
                yield context.finding(self.code, node, message, advice=advice)

    def _provided(self, context: Context, node: ast.expr) -> Value | None:
        """The value that an override provides, or None."""
        if isinstance(node, ast.Lambda):
            return context.value(node.body)
        inferred = context.value(node)
        if inferred is None or inferred.kind is not Kind.SYMBOL:
            return None
        if isinstance(inferred.node, ast.FunctionDef | ast.AsyncFunctionDef):
            returned = infer_return(context.inference, inferred.node, context.module)
            if returned is not None and returned.kind is Kind.AWAITABLE:
                return returned.item
            return returned
        return infer_dependency(context.inference, inferred.name)


def _kind(value: Value | None) -> str:
    if value is None or not value.is_instance(lib.SESSIONS):
        return ""
    return "an async" if value.name in lib.ASYNC_SESSIONS else "a sync"
