"""CLN122."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.rules.schemas._update_schemas import updates


class NullInUpdate(Rule):
    """An update schema takes null for a column that does not.

    `title: Optional[str] = None` lets a field be absent, and lets it be null too: `{"title": null}`
    passes validation, `exclude_unset` keeps it, and the database refuses it with an error that
    becomes a 500. Absent and null are two things; Colonnade's `partial=True` tells them apart.
    """

    code = "CLN122"
    name = "null-in-update"
    in_tests = False
    bad = """
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
    note: str | None = None


class TaskUpdate(SQLModel):
    title: str | None = None  # CLN122
    note: str | None = None
"""
    good = """
from colonnade import Field, SQLModel


class TaskBase(SQLModel):
    title: str
    note: str | None = None


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)


class TaskUpdate(TaskBase, partial=True):
    pass
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for schema, table in updates(context):
            fields = [
                field
                for field in schema.declared.values()
                if isinstance(field, ModelField) and field.hint.optional
                if (original := table.fields.get(field.name)) is not None
                and not original.nullable
                and not original.primary_key
                and original.hint != type(original.hint)()
            ]
            if fields and not _drops_none(context, schema):
                names = ", ".join(f"`{field.name}`" for field in fields)
                message = f"null is taken for {names}, which `{table.class_name}` cannot store"
                advice = "Refuse null in a validator, or derive the schema with `partial=True`"
                yield context.finding(self.code, fields[0].node, message, advice=advice)


def _drops_none(context: Context, schema: Model) -> bool:
    """Whether a validator of the schema may see to it."""
    return any(
        isinstance(method, ast.FunctionDef)
        and any("validator" in ast.unparse(decorator) for decorator in method.decorator_list)
        for method in schema.node.body
    )
