"""The rule CLN502, link-without-key."""

from collections.abc import Iterator

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule, names
from colonnade.lint.schema.rules._keys import foreign_keys, indexes


class LinkWithoutKey(SchemaRule):
    """The primary key of a link table does not consist of its two foreign keys.

    The same link can be stored twice. It then appears twice in the relation, and unlinking removes
    both. Make the two foreign keys the primary key, or at least UNIQUE together.
    """

    code = "CLN502"
    name = "link-without-key"
    bad = """
class TaskWorker(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    task_id: int = Field(foreign_key="task.id", index=True)
    worker_id: int = Field(foreign_key="worker.id", index=True)
"""
    good = """
class TaskWorker(SQLModel, table=True):
    task_id: int = Field(foreign_key="task.id", primary_key=True)
    worker_id: int = Field(foreign_key="worker.id", primary_key=True, index=True)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        links = {
            relation.secondary
            for mapper in schema.mappers.values()
            for relation in mapper.relationships
            if relation.secondary is not None
        }
        for table in schema.tables:
            keys = foreign_keys(table)
            if len(keys) != 2:
                continue
            both = {column for key in keys for column in key.columns}
            others = [
                column for column in table.columns if column not in both and not column.primary_key
            ]
            if table not in links and others:
                continue
            if not any(unique and set(columns) == both for _, columns, unique in indexes(table)):
                message = f"the link table `{table.name}` can store the same link twice"
                advice = (
                    f"Make {names(sorted(both, key=lambda column: column.name))} its primary key"
                )
                yield schema.finding(self.code, table, message, advice)
