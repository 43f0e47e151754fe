"""The rule CLN501, unindexed-foreign-key."""

from collections.abc import Iterator

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule, names
from colonnade.lint.schema.rules._keys import foreign_keys, indexes


class UnindexedForeignKey(SchemaRule):
    """A foreign key has no index.

    Neither PostgreSQL nor SQLite creates one. Reading the rows of a parent scans the whole table,
    and so does every deletion of a parent, while it holds a lock. Add `Field(index=True)`, or an
    index that starts with the key's columns.
    """

    code = "CLN501"
    name = "unindexed-foreign-key"
    source = "https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK"
    bad = """
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id")
"""
    good = """
class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table in schema.tables:
            indexed_columns = [columns for _, columns, _ in indexes(table)]
            for key in foreign_keys(table):
                columns = list(key.columns)
                size = len(columns)
                if not any(set(indexed[:size]) == set(columns) for indexed in indexed_columns):
                    message = f"`{table.name}` has no index for the foreign key {names(columns)}"
                    yield schema.finding(self.code, table, message, "Add `index=True`")
