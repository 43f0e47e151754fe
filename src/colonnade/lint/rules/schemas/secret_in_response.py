"""The rule CLN123, secret-in-response."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.project._schemas import READ_NAME, table_of
from colonnade.lint.rules.schemas._responses import is_secret


class SecretInResponse(Rule):
    """A read schema contains a secret field.

    Its value is sent to everyone who may read the row: password hashes can be cracked, and keys can
    be used. Remove the field from the schema. In Colonnade, `Field(secret=True)` excludes it from
    every schema and from filters.
    """

    code = "CLN123"
    name = "secret-in-response"
    in_tests = False
    bad = """
from sqlmodel import Field, SQLModel


class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    hashed_password: str


class WorkerRead(SQLModel):
    id: str
    name: str
    hashed_password: str  # CLN123
"""
    good = """
from sqlmodel import Field, SQLModel


class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    hashed_password: str


class WorkerRead(SQLModel):
    id: str
    name: str
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for schema in context.models:
            if not schema.is_schema or not READ_NAME.search(schema.class_name):
                continue
            table = table_of(schema)
            if table is None:
                continue
            for name, field in schema.fields.items():
                original = table.fields.get(name)
                if original is None or not is_secret(field) or _is_excluded(field):
                    continue
                if (
                    _may_be_masked(schema, name)
                    or name.replace("_", "") in table.class_name.lower()
                ):
                    continue
                inherited = field.owner is not schema
                node = schema.node if inherited else field.node
                message = f"the response contains `{name}`, which is a secret"
                if inherited:
                    message += f" inherited from `{field.owner.class_name}`"
                advice = "Remove it from the schema"
                yield context.finding(self.code, node, message, advice=advice, whole=not inherited)


def _is_excluded(field: ModelField) -> bool:
    """Whether the field's type or options keep it out of responses."""
    masked = "Secret" in field.hint.name
    return field.option("exclude") is True or field.option("secret") is True or masked


def _may_be_masked(schema: Model, name: str) -> bool:
    """Whether a validator or serializer of the schema may mask a field."""
    return any(
        isinstance(method, ast.FunctionDef)
        and any(f"'{name}'" in ast.unparse(decorator) for decorator in method.decorator_list)
        for method in schema.node.body
    )
