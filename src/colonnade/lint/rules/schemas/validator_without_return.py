"""The rule CLN129, validator-without-return."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._modules import Function

VALIDATORS = frozenset(
    {"pydantic.field_validator", "pydantic.validator", "pydantic.model_validator",
     "pydantic.root_validator"}
)  # fmt: skip


class ValidatorWithoutReturn(Rule):
    """A validator returns nothing, so that the value becomes None.

    Pydantic takes what a validator returns as the new value: without `return`, every value that
    passes is stored as null, or refused later. Return the value at the end.
    """

    code = "CLN129"
    name = "validator-without-return"
    source = "https://docs.pydantic.dev/latest/concepts/validators/"
    bad = """
from pydantic import field_validator
from sqlmodel import SQLModel


class SignUp(SQLModel):
    email: str

    @field_validator("email")
    @classmethod
    def lower(cls, value: str) -> str:
        value.strip().lower()  # CLN129
"""
    good = """
from pydantic import field_validator
from sqlmodel import SQLModel


class SignUp(SQLModel):
    email: str

    @field_validator("email")
    @classmethod
    def lower(cls, value: str) -> str:
        return value.strip().lower()
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for function in context.module.functions:
            if _is_validator(context, function) and not _returns(context, function):
                message = f"`{function.name}` returns nothing, so that the value becomes None"
                advice = "Return the value"
                last = function.body[-1]
                yield context.finding(self.code, last, message, advice=advice, whole=False)


def _is_validator(context: Context, function: Function) -> bool:
    calls = (each for each in function.decorator_list if isinstance(each, ast.Call))
    return any(context.resolve(call.func) in VALIDATORS for call in calls)


def _returns(context: Context, function: Function) -> bool:
    """Whether a function returns a value somewhere, or always raises."""
    return isinstance(function.body[-1], ast.Raise | ast.Pass) or any(
        isinstance(node, ast.Return | ast.Yield)
        and context.module.enclosing_function(node) is function
        for node in ast.walk(function)
    )
