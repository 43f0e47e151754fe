"""The rule CLN128, old-pydantic-name."""

import ast
from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import Model
from colonnade.lint.project._requirements import is_below
from colonnade.lint.rules._syntax import last_name

RENAMED = {
    "orm_mode": "from_attributes",
    "allow_population_by_field_name": "populate_by_name",
    "anystr_strip_whitespace": "str_strip_whitespace",
    "anystr_lower": "str_to_lower",
    "anystr_upper": "str_to_upper",
    "min_anystr_length": "str_min_length",
    "max_anystr_length": "str_max_length",
    "schema_extra": "json_schema_extra",
    "validate_all": "validate_default",
    "keep_untouched": "ignored_types",
}
"""https://docs.pydantic.dev/latest/migration/#changes-to-config"""


class OldPydanticName(Rule):
    """A schema uses a name of version 1 of Pydantic, which version 2 ignores or has deprecated.

    `orm_mode` has no effect in version 2, so that a row cannot be validated; it is
    `from_attributes`. `from_orm(row)` is `model_validate(row)`.
    """

    code = "CLN128"
    name = "old-pydantic-name"
    in_tests = False
    source = "https://docs.pydantic.dev/latest/migration/"
    bad = """
from pydantic import BaseModel
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class TaskRead(BaseModel):
    id: int

    class Config:
        orm_mode = True  # CLN128


def read(task: Task) -> TaskRead:
    return TaskRead.from_orm(task)  # CLN128
"""
    good = """
from pydantic import BaseModel, ConfigDict
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class TaskRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int


def read(task: Task) -> TaskRead:
    return TaskRead.model_validate(task)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        if is_below(context.project.requirements.get("pydantic", ""), (2,)):
            return
        for model in context.models:
            for node, name in _options(context, model):
                message = f"`{name}` has no effect since version 2 of Pydantic"
                yield context.finding(self.code, node, message, advice=f"Use `{RENAMED[name]}`")
        for call in context.module.calls_named("from_orm"):
            receiver = (
                context.value(call.func.value) if isinstance(call.func, ast.Attribute) else None
            )
            if receiver is not None and context.project.model(receiver.name) is not None:
                message = "`from_orm` is deprecated since version 2 of Pydantic"
                yield context.finding(self.code, call, message, advice="Use `model_validate`")
                return  # one finding for the file


def _options(context: Context, model: Model) -> Iterator[tuple[ast.AST, str]]:
    """Yield the options of a schema with an old name: in ``Config``, or in ``model_config``."""
    for statement in model.node.body:
        match statement:
            case ast.ClassDef(name="Config", body=body):
                for option in body:
                    if isinstance(option, ast.Assign):
                        name = last_name(option.targets[0])
                        if name in RENAMED:
                            yield option, name
            case ast.Assign(
                targets=[ast.Name(id="model_config")], value=ast.Call(keywords=options)
            ):
                for keyword in options:
                    if keyword.arg in RENAMED:
                        yield keyword.value, str(keyword.arg)
