"""The rule CLN122, null-in-update."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Model, ModelField
from colonnade.lint.project._modules import Function, parameters
from colonnade.lint.rules._syntax import is_name
from colonnade.lint.rules.schemas._update_schemas import update_schemas

DUMPS = frozenset({"model_dump", "dict", "model_dump_json", "json"})


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
            if fields and not _has_validator(context, schema) and not _drops_null(context, schema):
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


def _drops_null(context: Context, schema: Model) -> bool:
    """Whether every function that receives the schema leaves null out, as it means "unchanged"."""
    received = [
        (function, parameter.arg)
        for function in context.module.functions
        for parameter, _ in parameters(function)
        if context.hint(parameter.annotation).name == schema.name
    ]
    return bool(received) and all(
        _leaves_null_out(function, parameter) for function, parameter in received
    )


def _leaves_null_out(function: Function, parameter: str) -> bool:
    """Whether a function dumps a body without null, or compares what it reads with None."""
    excludes = any(
        keyword.arg == "exclude_none"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
    )
    compared = [
        test.left
        for test in ast.walk(function)
        if isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.IsNot)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    ]
    items = {
        name.id
        for loop in ast.walk(function)
        if isinstance(loop, ast.For | ast.comprehension)
        and any(is_name(node, parameter) for node in ast.walk(loop.iter))
        for name in ast.walk(loop.target)
        if isinstance(name, ast.Name)
    }
    read = {
        node.attr
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and is_name(node.value, parameter)
        and node.attr not in DUMPS
    }
    checked = {node.attr for node in compared if isinstance(node, ast.Attribute)}
    dumps = any(
        isinstance(node, ast.Attribute) and is_name(node.value, parameter) and node.attr in DUMPS
        for node in ast.walk(function)
    )
    by_item = any(isinstance(node, ast.Name) and node.id in items for node in compared)
    by_field = not dumps and bool(read) and read <= checked
    return excludes or by_item or by_field
