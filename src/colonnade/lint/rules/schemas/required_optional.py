"""The rule CLN127, required-optional."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding, Fix
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.project._requirements import is_below
from colonnade.lint.project._schemas import is_update_schema


class RequiredOptional(Rule):
    """A field of an update schema may be null, but not absent: it has no default.

    Since version 2 of Pydantic, `Optional[str]` does not imply a default, so that
    `PATCH {"bio": "..."}` without `nickname` is a 422. Add `= None`, and store the fields that were
    sent: `model_dump(exclude_unset=True)`.
    """

    code = "CLN127"
    name = "required-optional"
    fixes = "unsafe"
    in_tests = False
    source = "https://docs.pydantic.dev/latest/migration/#required-optional-and-nullable-fields"
    bad = """
from sqlmodel import SQLModel


class ProfilePatch(SQLModel):
    nickname: str | None  # CLN127
    bio: str | None = None
"""
    good = """
from sqlmodel import SQLModel


class ProfilePatch(SQLModel):
    nickname: str | None = None
    bio: str | None = None
"""

    def check(self, context: Context) -> Iterator[Finding]:
        if is_below(context.project.requirements.get("pydantic", ""), (2,)):
            return
        for schema in context.models:
            partial = any(keyword.arg == "partial" for keyword in schema.node.keywords)
            if partial or not is_update_schema(schema):
                continue
            for field in schema.declared.values():
                if (
                    isinstance(field, ModelField)
                    and isinstance(field.node, ast.AnnAssign)
                    and field.node.value is None
                    and field.hint.optional
                    and not field.hint.classvar
                    and not field.hint.metadata
                ):
                    edit = context.editor.insert_after(field.node.annotation, " = None")
                    message = f"`{field.name}` may be null, but not absent: it has no default"
                    fix = Fix("Add `= None`", (edit,), safe=False)
                    yield context.finding(self.code, field.node, message, fix=fix)
