"""The rule CLN124, table-as-body."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._modules import parameters


class TableAsBody(Rule):
    """An endpoint accepts a table as its request body.

    Clients can set every column: the id, timestamps, the owner, `is_admin`. sqlmodel also does not
    validate tables, so wrong types and missing fields reach the database. Accept a schema with the
    fields that clients may set.
    """

    code = "CLN124"
    name = "table-as-body"
    in_tests = False
    source = "https://sqlmodel.tiangolo.com/tutorial/fastapi/multiple-models/"
    bad = """
from fastapi import FastAPI
from sqlmodel import Field, SQLModel

app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


@app.post("/tasks")
def create_task(task: Task) -> int:  # CLN124
    return save(task)
"""
    good = """
from fastapi import FastAPI
from sqlmodel import Field, SQLModel

app = FastAPI()


class TaskCreate(SQLModel):
    title: str


class Task(TaskCreate, table=True):
    id: int | None = Field(default=None, primary_key=True)


@app.post("/tasks")
def create_task(task: TaskCreate) -> int:
    return save(Task.model_validate(task))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for endpoint in context.endpoints:
            for parameter, default in parameters(endpoint.node):
                hint = context.hint(parameter.annotation)
                model = context.project.model(hint.name)
                depends = (
                    isinstance(default, ast.Call)
                    and context.resolve(default.func) != "fastapi.Body"
                )
                if model is None or not (model.is_table and model.is_sqlmodel):
                    continue
                if depends or hint.metadata or endpoint.verb not in ("post", "put", "patch"):
                    continue
                message = (
                    f"clients can set every column of `{model.class_name}`, without validation"
                )
                schema = f"`{model.class_name}Create`"
                advice = f"Declare a schema with the fields that clients may set, such as {schema}"
                yield context.finding(self.code, parameter, message, advice=advice)
