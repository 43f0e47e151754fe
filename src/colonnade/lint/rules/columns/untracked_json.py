"""CLN106."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._models import ModelField
from colonnade.lint.rules.columns._json_columns import untracked
from colonnade.lint.rules.columns._stock_columns import MAPPINGS


class UntrackedJSON(Rule):
    """JSON columns of lists or dicts that do not see changes inside them.

    `task.tags.append("x")` and a commit store nothing: SQLAlchemy compares the object with itself.
    Wrap the type in `MutableList.as_mutable(JSON)` or `MutableDict.as_mutable(JSON)`, which see the
    first level; Colonnade's columns see all of them.
    """

    code = "CLN106"
    name = "untracked-json"
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
            fields = [field for field in declared if untracked(context, field)]
            if fields:
                kind = "MutableDict" if fields[0].hint.name in MAPPINGS else "MutableList"
                names = ", ".join(f"`{field.name}`" for field in fields)
                message = f"changes inside {names} are not saved: the JSON is not tracked"
                advice = f"Wrap its type: `{kind}.as_mutable(JSON)`"
                yield context.finding(self.code, fields[0].node, message, advice=advice)
