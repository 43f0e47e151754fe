"""CLN506."""

from collections.abc import Iterator

from sqlalchemy import (
    Index,
)

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule
from colonnade.lint.schema.rules._keys import indexed, whole


class RedundantIndex(SchemaRule):
    """An index begins as another one does, and does nothing that the other does not.

    Each write keeps both, and memory holds both. The longer one, a UNIQUE or the primary key serves
    all searches by the columns that it begins with.
    """

    code = "CLN506"
    name = "redundant-index"
    source = "https://www.postgresql.org/docs/current/indexes-multicolumn.html"
    bad = """
class Worker(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True, index=True)
    name: str
"""
    good = """
class Worker(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table in schema.tables:
            searchable = list(indexed(table))
            for index in sorted(table.indexes, key=lambda each_index: str(each_index.name)):
                if index.unique or not whole(index) or _special(index):
                    continue
                mine = list(index.columns)
                for name, columns, _ in searchable:
                    same = name != str(index.name) and columns[: len(mine)] == mine
                    # Of two that are the same, the one that comes first stays.
                    if same and (len(columns) > len(mine) or name < str(index.name) or " " in name):
                        message = f"the index `{index.name}` does nothing that {name} does not"
                        yield schema.finding(self.code, table, message, "Leave it out")
                        break


def _special(index: Index) -> bool:
    """Whether an index has a kind that makes it different: GIN, an operator class."""
    return any(
        name in ("using", "ops") and value
        for options in index.dialect_options.values()
        for name, value in options.items()
    )
