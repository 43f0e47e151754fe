"""The rule CLN218, override-kept."""

import ast
import re
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._name_inference import is_fixture
from colonnade.lint.project._modules import Function, Module
from colonnade.lint.rules._syntax import is_name

REMOVED = re.compile(
    r"dependency_overrides(\.(clear|pop)\(| = )|\bdel \S*dependency_overrides|"
    r"monkeypatch|patch\.dict"
)
"""Code that removes overrides, in a test or in a fixture."""


class OverrideKept(Rule):
    """A test overrides a dependency of an app, and nothing removes the override.

    The app is shared by all tests, so that later ones use the session of a test that has ended, and
    fail or pass with their order. Remove it: `app.dependency_overrides.clear()` after the `yield`
    of a fixture, or `monkeypatch.setitem(app.dependency_overrides, ...)`.
    """

    code = "CLN218"
    name = "override-kept"
    source = "https://fastapi.tiangolo.com/advanced/testing-dependencies/"
    bad = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlmodel import Session

app = FastAPI()


def get_session(): ...


def test_tasks(session: Session) -> None:
    app.dependency_overrides[get_session] = lambda: session  # CLN218
    assert TestClient(app).get("/tasks").json() == []
"""
    good = """
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlmodel import Session

app = FastAPI()


def get_session(): ...


def test_tasks(session: Session, monkeypatch) -> None:
    monkeypatch.setitem(app.dependency_overrides, get_session, lambda: session)
    assert TestClient(app).get("/tasks").json() == []
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for node in context.module.nodes(ast.Assign):
            target = node.targets[0]
            if not isinstance(target, ast.Subscript):
                continue
            overrides = target.value
            if not isinstance(overrides, ast.Attribute) or overrides.attr != "dependency_overrides":
                continue
            function = context.module.enclosing_function(node)
            if function is None or not (function.name.startswith("test") or is_fixture(function)):
                continue
            if any("scope=" in ast.unparse(decorator) for decorator in function.decorator_list):
                continue  # for all tests of a file or of the run
            if _is_local(function, overrides.value) or any(
                REMOVED.search(module.source.text) for module in _around(context)
            ):
                continue
            message = "nothing removes this override, so that later tests have it, too"
            advice = "Call `app.dependency_overrides.clear()` at the end"
            yield context.finding(self.code, node, message, advice=advice)


def _is_local(function: Function, app: ast.expr) -> bool:
    """Whether the app is that of the test, or of a fixture, rather than one for all tests."""
    arguments = function.args
    names = {each.arg for each in (*arguments.args, *arguments.kwonlyargs)}
    names |= {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return any(is_name(app, name) for name in names)


def _around(context: Context) -> Iterator[Module]:
    """Yield the module and the conftest files whose fixtures it can use."""
    yield context.module
    parts = context.module.name.split(".")
    for size in range(len(parts)):
        module = context.project.module(".".join([*parts[:size], "conftest"]))
        if module is not None:
            yield module
