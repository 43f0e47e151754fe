"""The rule CLN126, mass-assignment."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context, Endpoint
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.inference._values import Kind
from colonnade.lint.project._modules import parameters
from colonnade.lint.rules._examples import models
from colonnade.lint.rules._syntax import is_name
from colonnade.lint.rules.columns._stock_columns import MAPPINGS

BEFORE = "from typing import Any\n\nfrom fastapi import FastAPI"


class MassAssignment(Rule):
    """An endpoint sets whatever attributes of a row a request names.

    The client chooses the names: `is_admin`, `owner_id`, the key, and columns that are added later.
    Accept a schema with the fields that clients may change, and use
    `model_dump(exclude_unset=True)`.
    """

    code = "CLN126"
    name = "mass-assignment"
    in_tests = False
    source = "https://owasp.org/API-Security/editions/2023/en/0xa3-broken-object-property-level-authorization/"
    bad = f"""{models(before=BEFORE)}

app = FastAPI()


@app.patch("/tasks/{{key}}")
def change(key: int, body: dict[str, Any]) -> None:
    with Session(engine) as session:
        task = session.get_one(Task, key)
        for name, value in body.items():
            setattr(task, name, value)  # CLN126
        session.commit()
"""
    good = f"""{models(before="from fastapi import FastAPI")}

app = FastAPI()


class TaskUpdate(SQLModel):
    title: str = ""


@app.patch("/tasks/{{key}}")
def change(key: int, body: TaskUpdate) -> None:
    with Session(engine) as session:
        task = session.get_one(Task, key)
        for name, value in body.model_dump(exclude_unset=True).items():
            setattr(task, name, value)
        session.commit()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for endpoint in context.endpoints:
            bodies = _raw_bodies(context, endpoint)
            for loop in ast.walk(endpoint.node) if bodies else ():
                match loop:
                    case ast.For(
                        iter=ast.Call(func=ast.Attribute(value=ast.Name(id=body), attr="items")),
                        target=ast.Tuple(elts=[ast.Name(id=name), *_]),
                    ) if body in bodies:
                        yield from self._check_loop(context, loop, name)

    def _check_loop(self, context: Context, loop: ast.For, name: str) -> Iterator[Finding]:
        if any(isinstance(node, ast.If | ast.Compare) for node in ast.walk(loop)):
            return  # it may compare the name with those that are allowed
        for call in ast.walk(loop):
            match call:
                case ast.Call(func=ast.Name(id="setattr"), args=[row, ast.Name(id=used), _]) if (
                    used == name
                ):
                    inferred = context.value(row)
                    if inferred is not None and inferred.kind is Kind.ROW:
                        message = "the request chooses which attributes of the row are set"
                        advice = "Accept a schema with the fields that clients may change"
                        yield context.finding(self.code, call, message, advice=advice)


def _raw_bodies(context: Context, endpoint: Endpoint) -> set[str]:
    """The names of the bodies that no schema has validated: dicts, and ``await request.json()``."""
    names = {
        parameter.arg
        for parameter, _ in parameters(endpoint.node)
        if context.hint(parameter.annotation).name in MAPPINGS
    }
    for node in ast.walk(endpoint.node):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Await(
                    value=ast.Call(func=ast.Attribute(value=receiver, attr="json"), args=[])
                ),
            ) if is_name(receiver, "request"):
                names.add(name)
    return names
