"""CLN121."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.project._schemas import BOUNDS
from colonnade.lint.rules.schemas._update_schemas import updates


class LooseUpdate(Rule):
    """An update schema takes values that the table's own field refuses.

    `status: Optional[str]` for a `Literal`, or a `max_length` left out: what a POST refuses with
    422 a PATCH stores, or the database answers with an error that becomes a 500. Repeat the type
    and the bounds, or derive the schema: `class TaskUpdate(TaskBase, partial=True)` in Colonnade.
    """

    code = "CLN121"
    name = "loose-update"
    in_tests = False
    bad = """
from typing import Literal

from colonnade import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200)
    status: Literal["pending", "completed"] = "pending"
    note: str | None = None


class TaskUpdate(SQLModel):
    title: str = Field(default="", min_length=1)  # CLN121
    status: str = "pending"  # CLN121
    note: str | None = None
"""
    good = """
from typing import Literal

from colonnade import Field, SQLModel


class TaskBase(SQLModel):
    title: str = Field(max_length=200)
    status: Literal["pending", "completed"] = "pending"
    note: str | None = None


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)


class TaskUpdate(TaskBase, partial=True):
    pass
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for schema, table in updates(context):
            for field in schema.declared.values():
                if not isinstance(field, ModelField):
                    continue
                original = table.fields.get(field.name)
                lost = _lost(context, field, original) if original is not None else ""
                if lost:
                    message = (
                        f"`{field.name}` {lost}, as `{table.class_name}.{field.name}` does not"
                    )
                    yield context.finding(self.code, field.node, message)


def _lost(context: Context, field: ModelField, original: ModelField) -> str:
    """What an update's field takes that the original refuses."""
    if (
        field.hint.collection
        or original.hint.collection
        or field.hint.name not in ("str", "int", "float", "")
    ):
        return ""
    if original.hint.literals and not field.hint.literals and field.hint.name in ("str", "int"):
        return f"takes any {field.hint.name}"
    enum = context.project.ancestry(original.hint.name)
    if "enum.Enum" in enum and field.hint.name in ("str", "int"):
        return f"takes any {field.hint.name}"
    if original.hint.name != field.hint.name or _unreadable(field):
        return ""
    bounds = [name for name in BOUNDS if name in original.options and name not in field.options]
    return f"has lost its {' and '.join(f'`{name}`' for name in bounds)}" if bounds else ""


def _unreadable(field: ModelField) -> bool:
    """Whether a field has more to it than can be read here: a validator type, ``**options``."""
    if field.hint.metadata or (
        field.call and any(keyword.arg is None for keyword in field.call.keywords)
    ):
        return True
    return any(
        isinstance(method, ast.FunctionDef) and "validator" in ast.unparse(method.decorator_list[0])
        for method in field.owner.node.body
        if isinstance(method, ast.FunctionDef) and method.decorator_list
    )
