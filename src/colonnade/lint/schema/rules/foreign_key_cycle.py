"""CLN509."""

from collections.abc import Iterator

from sqlalchemy import (
    Table,
)

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule


class ForeignKeyCycle(SchemaRule):
    """Tables refer to each other in a circle.

    None can be made first, nor its rows be inserted first: SQLAlchemy adds one of the keys
    afterwards, which SQLite cannot, and warns. Leave out one of the keys, move it to a separate
    table, or mark it `use_alter=True` and let it be NULL. A table that refers to itself is not a
    circle.
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
        refers = {
            table: {
                key.referred_table
                for key in table.foreign_key_constraints
                if not key.use_alter and key.referred_table is not table
            }
            for table in schema.tables
        }
        reported: set[frozenset[Table]] = set()
        for table in schema.tables:
            circle = _circle(table, refers)
            if circle and frozenset(circle) not in reported:
                reported.add(frozenset(circle))
                way = " -> ".join(member.name for member in [*circle, circle[0]])
                message = f"tables refer to each other in a circle: {way}"
                yield schema.finding(self.code, table, message)


def _circle(start: Table, refers: dict[Table, set[Table]]) -> list[Table]:
    """The shortest way from a table to itself."""
    ways = [[start]]
    seen = {start}
    while ways:
        way = ways.pop(0)
        for other in sorted(refers.get(way[-1], ()), key=lambda referred: referred.fullname):
            if other is start:
                return way
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []
