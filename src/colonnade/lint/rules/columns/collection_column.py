"""The rule CLN105, collection-column."""

from collections.abc import Iterator

from colonnade.lint._context import Context
from colonnade.lint._findings import Finding
from colonnade.lint._rule import Rule
from colonnade.lint.project._hints import TypeHint
from colonnade.lint.rules.columns._stock_columns import COLLECTIONS, MAPPINGS, stock_columns


class CollectionColumn(Rule):
    """A `list` or `dict` field of a table has no column type, on stock sqlmodel.

    sqlmodel has no column type for collections: importing the module raises `ValueError: <class
    'list'> has no matching SQLAlchemy type`. Set `sa_type=JSON`; changes inside the value are then
    still lost (CLN106). Colonnade stores both as JSON and saves changes inside them.
    """

    code = "CLN105"
    name = "collection-column"
    bad = """
from sqlmodel import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str] = Field(default_factory=list)  # CLN105
"""
    good = """
from colonnade import Field, SQLModel


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    tags: list[str] = Field(default_factory=list)
"""

    def check(self, context: Context) -> Iterator[Finding]:
        for _, field, tables in stock_columns(context):
            if _is_collection(field.hint):
                table = tables[0].rpartition(".")[2]
                message = (
                    f"`{field.name}` is a collection without a column type: "
                    f"importing `{table}` raises ValueError"
                )
                advice = "Set `sa_type=JSON`, or import SQLModel and Field from colonnade"
                yield context.finding(self.code, field.node, message, advice=advice)


def _is_collection(hint: TypeHint) -> bool:
    return hint.collection in COLLECTIONS or hint.name in MAPPINGS
