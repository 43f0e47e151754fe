"""CLN508."""

from collections.abc import Iterator

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    UniqueConstraint,
)

from colonnade.lint._findings import Finding
from colonnade.lint.schema._rule import Schema, SchemaRule


class UnnamedConstraint(SchemaRule):
    """Constraints have no names, and the metadata has no convention for them.

    PostgreSQL makes names up, SQLite has none: a migration cannot say which to drop, and an error
    names nothing. Give the metadata a `naming_convention`; Colonnade's tables have their names.
    """

    code = "CLN508"
    name = "unnamed-constraint"
    source = "https://alembic.sqlalchemy.org/en/latest/naming.html"
    bad = """
class Task(sqlmodel.SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
"""
    good = """
class Task(colonnade.SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True)
"""

    def check(self, schema: Schema) -> Iterator[Finding]:
        for table in schema.tables:
            unnamed = [
                _kind(constraint)
                for constraint in table.constraints
                if constraint.name is None and not isinstance(constraint, PrimaryKeyConstraint)
            ]
            if unnamed:
                constraints = ", ".join(sorted(unnamed))
                message = f"`{table.name}` has constraints without a name: {constraints}"
                advice = "Give the metadata a `naming_convention`"
                yield schema.finding(self.code, table, message, advice)


def _kind(constraint: object) -> str:
    match constraint:
        case ForeignKeyConstraint():
            return f"FOREIGN KEY ({', '.join(constraint.column_keys)})"
        case UniqueConstraint():
            return f"UNIQUE ({', '.join(column.name for column in constraint.columns)})"
        case CheckConstraint():
            return "CHECK"
        case _:
            return type(constraint).__name__
