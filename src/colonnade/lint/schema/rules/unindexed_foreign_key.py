"""CLN501."""

from collections.abc import Iterator

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule, names
from colonnade.lint.schema.rules._keys import foreign_keys, indexed


class UnindexedForeignKey(SchemaRule):
    """A foreign key has no index.

    Neither PostgreSQL nor SQLite makes one. Reading the rows of a parent reads the whole table, and
    so does each delete of a parent, with the lock it takes. `Field(index=True)`, or an index that
    begins with the key's columns.
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
            searchable = [columns for _, columns, _ in indexed(table)]
            for key in foreign_keys(table):
                columns = list(key.columns)
                size = len(columns)
                if not any(set(prefix[:size]) == set(columns) for prefix in searchable):
                    message = f"`{table.name}` has no index for the foreign key {names(columns)}"
                    yield schema.finding(self.code, table, message, "Add `index=True`")
