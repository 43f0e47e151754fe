"""The rule CLN125, table-as-response."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.schemas._responses import is_secret, response_annotation


class TableAsResponse(Rule):
    """An endpoint returns a table.

    Clients see every column, including those added later: hashes, internal notes, owners. The API
    also changes whenever the table does. Return a schema that lists what clients may see.
    """

    code = "CLN125"
    name = "table-as-response"
    in_tests = False
    source = "https://sqlmodel.tiangolo.com/tutorial/fastapi/response-model/"
    bad = """
from fastapi import FastAPI
from sqlmodel import Field, SQLModel

app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


@app.get("/tasks/{key}", response_model=Task)  # CLN125
def read_task(key: int):
    return load(key)
"""
    good = """
from fastapi import FastAPI
from sqlmodel import Field, SQLModel

app = FastAPI()


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str


class TaskRead(SQLModel):
    id: int
    title: str


@app.get("/tasks/{key}", response_model=TaskRead)
def read_task(key: int):
    return load(key)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for endpoint in context.endpoints:
            if endpoint.option("response_model_include") is not None:
                continue
            node = response_annotation(endpoint)
            hint = context.hint(node)
            model = next(filter(None, map(context.project.model, hint.names)), None)
            if node is not None and model is not None and model.is_table and model.is_sqlmodel:
                secrets = [name for name, field in model.fields.items() if is_secret(field)]
                leaked = f", including `{secrets[0]}`" if secrets else ""
                message = f"the response contains every column of `{model.class_name}`{leaked}"
                advice = f"Return a schema: `response_model={model.class_name}Read`"
                yield context.finding(self.code, node, message, advice=advice)
