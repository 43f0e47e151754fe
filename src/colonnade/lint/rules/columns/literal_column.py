"""The rule CLN104, literal-column."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.rules.columns._stock_columns import stock_columns


class LiteralColumn(Rule):
    """A field of a table is a `Literal`, on stock sqlmodel.

    sqlmodel calls `issubclass()` with the type, and a `Literal` is not a class: importing the
    module raises `TypeError: issubclass() arg 1 must be a class`. Set `sa_type=String`, or use
    Colonnade's `SQLModel`, which stores the field as text with a CHECK.
    """

    code = "CLN104"
    name = "literal-column"
    source = "https://github.com/fastapi/sqlmodel/issues/57"
    bad = """
from typing import Literal

from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    status: Literal["pending", "completed"] = "pending"  # CLN104
"""
    good = """
from typing import Literal

from colonnade import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    status: Literal["pending", "completed"] = "pending"
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for _, field, tables in stock_columns(context):
            if field.hint.literals and not field.hint.collection:
                table = tables[0].rpartition(".")[2]
                message = (
                    f"`{field.name}` is a `Literal`, which sqlmodel has no column type for: "
                    f"importing `{table}` raises TypeError"
                )
                advice = "Set `sa_type=String`, or import SQLModel and Field from colonnade"
                yield context.finding(self.code, field.node, message, advice=advice)
