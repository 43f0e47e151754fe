"""The rule CLN106, untracked-json."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.rules.columns._json_columns import is_untracked_json
from colonnade.lint.rules.columns._stock_columns import MAPPINGS


class UntrackedJSON(Rule):
    """A JSON column of lists or dicts does not track changes inside its values.

    `task.tags.append("x")` followed by a commit stores nothing, because SQLAlchemy compares the
    object with itself. Wrap the type in `MutableList.as_mutable(JSON)` or
    `MutableDict.as_mutable(JSON)`, which track the first level; Colonnade's columns track all
    levels.
    """

    code = "CLN106"
    name = "untracked-json"
    is_default = False
    in_tests = False
    in_migrations = False
    source = "https://docs.sqlalchemy.org/en/21/orm/extensions/mutable.html"
    bad = """
from sqlalchemy import JSON
from sqlmodel import Column, Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON))  # CLN106
"""
    good = """
from sqlalchemy import JSON
from sqlalchemy.ext.mutable import MutableList
from sqlmodel import Column, Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str] = Field(default_factory=list, sa_column=Column(MutableList.as_mutable(JSON)))
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for model in context.models:
            declared = [
                member for member in model.declared.values() if isinstance(member, ModelField)
            ]
            fields = [field for field in declared if is_untracked_json(context, field)]
            if fields:
                kind = "MutableDict" if fields[0].hint.name in MAPPINGS else "MutableList"
                names = ", ".join(f"`{field.name}`" for field in fields)
                message = (
                    f"changes inside {names} are not saved: a plain JSON type does not track them"
                )
                advice = f"Wrap the type: `{kind}.as_mutable(JSON)`"
                yield context.finding(self.code, fields[0].node, message, advice=advice)
