"""The rule CLN506, redundant-index."""

from collections.abc import Iterator

from sqlalchemy import (
    Index,
)

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule
from colonnade.lint.schema.rules._keys import indexes, is_plain_index


class RedundantIndex(SchemaRule):
    """An index is redundant: another one starts with the same columns.

    Every write updates both indexes, and both take up memory. A longer index, a unique constraint
    or the primary key serves all searches by the columns that it starts with. Remove the index.
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
            searchable = list(indexes(table))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                if index.unique or not is_plain_index(index) or _is_special(index):
                    continue
                index_columns = list(index.columns)
                for name, columns, _ in searchable:
                    is_covered = (
                        name != str(index.name) and columns[: len(index_columns)] == index_columns
                    )
                    # Of two equal indexes, the first one stays.
                    if is_covered and (
                        len(columns) > len(index_columns) or name < str(index.name) or " " in name
                    ):
                        message = (
                            f"the index `{index.name}` is redundant: {name} starts with the same "
                            "columns"
                        )
                        yield schema.finding(self.code, table, message, "Remove it")
                        break


def _is_special(index: Index) -> bool:
    """Whether an index has a special method or operator class, such as GIN."""
    return any(
        name in ("using", "ops") and value
        for options in index.dialect_options.values()
        for name, value in options.items()
    )
