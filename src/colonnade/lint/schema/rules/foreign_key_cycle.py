"""The rule CLN509, foreign-key-cycle."""

from collections.abc import Iterator

from sqlalchemy import (
    Table,
)

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule


class ForeignKeyCycle(SchemaRule):
    """The foreign keys of several tables form a cycle.

    No table can be created first, and no row can be inserted first. SQLAlchemy warns, and adds one
    of the keys afterwards, which SQLite cannot do. Remove one of the keys, move it to a separate
    table, or set `use_alter=True` and make it nullable. A table that refers to itself is not a
    cycle.
    """

    code = "CLN509"
    name = "foreign-key-cycle"
    source = "https://docs.sqlalchemy.org/en/21/core/constraints.html#creating-dropping-foreign-key-constraints-via-alter"
    bad = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    first_task_id: int | None = Field(default=None, foreign_key="task.id", index=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
"""
    good = """
class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


class Task(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    is_first: bool = False
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        referred_tables = {
            table: {
                key.referred_table
                for key in table.foreign_key_constraints
                if not key.use_alter and key.referred_table is not table
            }
            for table in schema.tables
        }
        reported: set[frozenset[Table]] = set()
        for table in schema.tables:
            cycle = _shortest_cycle(table, referred_tables)
            if cycle and frozenset(cycle) not in reported:
                reported.add(frozenset(cycle))
                path = " -> ".join(member.name for member in [*cycle, cycle[0]])
                message = f"foreign keys form a cycle: {path}"
                advice = "Remove one of the keys, or set `use_alter=True` on it"
                yield schema.finding(self.code, table, message, advice)


def _shortest_cycle(start: Table, referred_tables: dict[Table, set[Table]]) -> list[Table]:
    """The shortest cycle of foreign keys through a table; empty if there is none."""
    paths = [[start]]
    seen = {start}
    while paths:
        path = paths.pop(0)
        for other in sorted(
            referred_tables.get(path[-1], ()), key=lambda referred: referred.fullname
        ):
            if other is start:
                return path
            if other not in seen:
                seen.add(other)
                paths.append([*path, other])
    return []
