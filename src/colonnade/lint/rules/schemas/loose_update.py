"""The rule CLN121, loose-update."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.project._schemas import BOUNDS
from colonnade.lint.rules.schemas._update_schemas import update_schemas

ADVICE = "Repeat the type and the constraints, or derive the schema with `partial=True`"


class LooseUpdate(Rule):
    """An update schema accepts values that the table's field refuses.

    With `status: Optional[str]` for a `Literal`, or without the original's `max_length`, a PATCH
    stores what a POST refuses with 422, or the database refuses it with an error that becomes a
    500. Repeat the type and the constraints, or derive the schema: in Colonnade, `class
    TaskUpdate(TaskBase, partial=True)`.
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
        for schema, table in update_schemas(context):
            for field in schema.declared.values():
                if not isinstance(field, ModelField):
                    continue
                original = table.fields.get(field.name)
                difference = _difference(context, field, original) if original is not None else ""
                if difference:
                    message = (
                        f"`{field.name}` {difference}, unlike `{table.class_name}.{field.name}`"
                    )
                    yield context.finding(self.code, field.node, message, advice=ADVICE)


def _difference(context: Context, field: ModelField, original: ModelField) -> str:
    """How a field of an update schema is more permissive than the original; empty if it is not."""
    if (
        field.hint.collection
        or original.hint.collection
        or field.hint.name not in ("str", "int", "float", "")
    ):
        return ""
    if original.hint.literals and not field.hint.literals and field.hint.name in ("str", "int"):
        return f"accepts any {field.hint.name}"
    enum = context.project.ancestry(original.hint.name)
    if "enum.Enum" in enum and field.hint.name in ("str", "int"):
        return f"accepts any {field.hint.name}"
    if original.hint.name != field.hint.name or _has_unreadable_constraints(field):
        return ""
    bounds = [name for name in BOUNDS if name in original.options and name not in field.options]
    if bounds:
        return f"has no {' and no '.join(f'`{name}`' for name in bounds)}"
    wider = next((name for name in BOUNDS if _is_wider(field, original, name)), None)
    return f"has another `{wider}`" if wider is not None else ""


def _is_wider(field: ModelField, original: ModelField, name: str) -> bool:
    """Whether a bound of a field allows more than that of the original."""
    value, limit = field.option(name), original.option(name)
    if not isinstance(value, int | float) or not isinstance(limit, int | float):
        return False
    return (
        value > limit
        if name in ("max_length", "le", "lt")
        else (name in ("min_length", "ge", "gt") and value < limit)
    )


def _has_unreadable_constraints(field: ModelField) -> bool:
    """Whether a field has constraints that cannot be read: validators or ``**options``."""
    if field.hint.metadata or (
        field.call and any(keyword.arg is None for keyword in field.call.keywords)
    ):
        return True
    return any(
        isinstance(method, ast.FunctionDef) and "validator" in ast.unparse(method.decorator_list[0])
        for method in field.owner.node.body
        if isinstance(method, ast.FunctionDef) and method.decorator_list
    )
