"""The rule CLN508, unnamed-constraint."""

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
    """Constraints have no names, and the metadata has no naming convention.

    PostgreSQL invents names, and SQLite has none: a migration cannot name the constraint to drop,
    and an error does not name the one that failed. Set a `naming_convention` on the metadata; the
    constraints of Colonnade's tables have names.
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
                _description(constraint)
                for constraint in table.constraints
                if constraint.name is None and not isinstance(constraint, PrimaryKeyConstraint)
            ]
            if unnamed:
                constraints = ", ".join(sorted(unnamed))
                message = f"`{table.name}` has constraints without a name: {constraints}"
                advice = "Set a `naming_convention` on the metadata"
                yield schema.finding(self.code, table, message, advice)


def _description(constraint: object) -> str:
    match constraint:
        case ForeignKeyConstraint():
            return f"FOREIGN KEY ({', '.join(constraint.column_keys)})"
        case UniqueConstraint():
            return f"UNIQUE ({', '.join(column.name for column in constraint.columns)})"
        case CheckConstraint():
            return "CHECK"
        case _:
            return type(constraint).__name__
