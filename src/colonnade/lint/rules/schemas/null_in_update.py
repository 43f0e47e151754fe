"""The rule CLN122, null-in-update."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.rules.schemas._update_schemas import update_schemas


class NullInUpdate(Rule):
    """An update schema accepts null for a NOT NULL column.

    `title: Optional[str] = None` allows the field to be absent, but also to be null: `{"title":
    null}` passes validation, `exclude_unset` keeps it, and the database refuses it with an error
    that becomes a 500. Colonnade's `partial=True` distinguishes absent fields from null.
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
        for schema, table in update_schemas(context):
            fields = [
                field
                for field in schema.declared.values()
                if isinstance(field, ModelField) and field.hint.optional
                if (original := table.fields.get(field.name)) is not None
                and not original.nullable
                and not original.primary_key
                and original.hint != type(original.hint)()
            ]
            if fields and not _has_validator(context, schema):
                names = ", ".join(f"`{field.name}`" for field in fields)
                message = (
                    f"the schema accepts null for {names}, which `{table.class_name}` cannot store"
                )
                advice = "Refuse null with a validator, or derive the schema with `partial=True`"
                yield context.finding(self.code, fields[0].node, message, advice=advice)


def _has_validator(context: Context, schema: Model) -> bool:
    """Whether the schema has a validator, which may refuse or drop null."""
    return any(
        isinstance(method, ast.FunctionDef)
        and any("validator" in ast.unparse(decorator) for decorator in method.decorator_list)
        for method in schema.node.body
    )
