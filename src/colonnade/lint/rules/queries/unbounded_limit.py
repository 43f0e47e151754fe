"""The rule CLN304, unbounded-limit."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.inference._calls import arguments
from colonnade.lint.inference._values import Kind
from colonnade.lint.project import _known_names as lib
from colonnade.lint.project._modules import Function, Module, parameters
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import is_name

LIMITS = ("limit", "slice", "fetch")
MAX_CALLS = 3  # functions that a limit is followed through


class UnboundedLimit(Rule):
    """A limit from the query string has no maximum.

    Any client that sends `?limit=100000000` makes the app read the whole table into memory. Set a
    maximum: `limit: Annotated[int, Query(ge=1, le=100)] = 100`. A Colonnade Resource has
    `max_limit`.
    """

    code = "CLN304"
    name = "unbounded-limit"
    fixes = "unsafe"
    source = "https://sqlmodel.tiangolo.com/tutorial/fastapi/limit-and-offset/"
    bad = f"""{models(before="from fastapi import Depends, FastAPI")}

def get_session():
    with Session(engine) as session:
        yield session


app = FastAPI()


@app.get("/titles")
def titles(limit: int = 100, session: Session = Depends(get_session)) -> list[str]:  # CLN304
    return session.exec(select(Task.title).order_by(Task.id).limit(limit)).all()
"""
    good = f"""{models(before="from fastapi import Depends, FastAPI, Query")}

def get_session():
    with Session(engine) as session:
        yield session


app = FastAPI()


@app.get("/titles")
def titles(
    limit: int = Query(default=100, ge=1, le=100), session: Session = Depends(get_session)
) -> list[str]:
    return session.exec(select(Task.title).order_by(Task.id).limit(limit)).all()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for endpoint in context.endpoints:
            if endpoint.verb != "get":
                continue
            for parameter, default in parameters(endpoint.node):
                hint = context.hint(parameter.annotation)
                if hint.name not in ("int", "builtins.int") or not _is_statement_limit(
                    context, endpoint.node, context.module, parameter.arg
                ):
                    continue
                if self._has_maximum(context, default, hint.metadata):
                    continue
                message = f"`{parameter.arg}` has no maximum: a client can request the whole table"
                fix = self._add_maximum(context, default)
                advice = "Set a maximum with `Query(le=...)`"
                yield context.finding(self.code, parameter, message, fix=fix, advice=advice)

    def _has_maximum(
        self, context: Context, default: ast.expr | None, metadata: tuple[ast.expr, ...]
    ) -> bool:
        for constraint in (default, *metadata):
            if isinstance(constraint, ast.Call):
                if context.resolve(constraint.func) not in (
                    lib.QUERY,
                    "sqlmodel.Field",
                    "pydantic.Field",
                ):
                    return True  # a dependency, or a function of the project
                if any(keyword.arg in ("le", "lt", None) for keyword in constraint.keywords):
                    return True
            elif constraint is not None and not isinstance(
                constraint, ast.Constant | ast.Name | ast.Attribute
            ):
                return True
        return False

    def _add_maximum(self, context: Context, default: ast.expr | None) -> Fix | None:
        if isinstance(default, ast.Call) and context.resolve(default.func) == lib.QUERY:
            edits = context.editor.add_argument(default, "le=100")
            return Fix("Allow at most 100", edits, safe=False)
        if not isinstance(default, ast.Constant) or not isinstance(default.value, int):
            return None
        query = context.editor.local_name("fastapi", "Query")
        if query is None:
            return None
        maximum = max(default.value, 100)
        edit = context.editor.replace(
            default, f"{query[0]}(default={default.value}, ge=1, le={maximum})"
        )
        return Fix(f"Allow at most {maximum}", (edit, *query[1]), safe=False)


def _is_statement_limit(
    context: Context, function: Function, module: Module, name: str, depth: int = 0
) -> bool:
    """Whether a statement's limit is a parameter, here or in a function that receives it."""
    flow = context.inference.flow(function, module)
    if _may_be_limited(function, name):
        return False
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in LIMITS:
            if any(_is_unlimited(argument, name) for argument in node.args):
                return True
        inferred = flow.value(node.func) if flow is not None else None
        called = (
            context.project.called_function(inferred.name)
            if inferred and inferred.kind is Kind.SYMBOL
            else None
        )
        if called is None or depth == MAX_CALLS or called[0] is function:
            continue
        for parameter, argument in arguments(called[0], node):
            if is_name(argument, name):
                if _is_statement_limit(context, *called, parameter, depth + 1):
                    return True
    return False


def _may_be_limited(function: Function, name: str) -> bool:
    """Whether a function compares or reassigns a parameter, and so may limit it."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.Compare) and any(
            isinstance(op, ast.Gt | ast.GtE | ast.Lt | ast.LtE) for op in node.ops
        ):
            if any(_mentions(side, name) for side in (node.left, *node.comparators)):
                return True
    return False


def _is_unlimited(node: ast.AST, name: str) -> bool:
    """Whether an expression is as large as a name that it mentions; ``min()`` sets a maximum."""
    if is_name(node, name):
        return True
    if isinstance(node, ast.Call) and is_name(node.func, "min") and len(node.args) > 1:
        return False
    return any(_is_unlimited(child, name) for child in ast.iter_child_nodes(node))


def _mentions(node: ast.expr, name: str) -> bool:
    return any(
        isinstance(descendant, ast.Name) and descendant.id == name for descendant in ast.walk(node)
    )
