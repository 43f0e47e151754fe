"""``ReachedTables``: the tables that the routes of a Resource read and write."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from fastapi import params
from sqlalchemy import Table

from colonnade.database import Database
from colonnade.resources import _scoping
from colonnade.resources.routes._choice_routes import ResourceVariant


@dataclass(frozen=True, slots=True)
class ReachedTables:
    """The tables that the routes of a Resource reach, whose scopes apply to its requests.

    Attributes:
        read: The tables that every request may read.
        nested: The other tables that only nested writes reach.
        written: The tables that every write writes.
        nested_written: The other tables that only nested writes write.
    """

    read: list[Table]
    nested: list[Table]
    written: list[Table]
    nested_written: list[Table]

    @classmethod
    def of(cls, variants: Sequence[ResourceVariant], *, writes: bool) -> Self:
        """The tables that a Resource reaches with any of its schemas.

        Args:
            variants: The Resource with each combination of schemas.
            writes: Whether it has operations that write rows of its table.
        """
        read = _unique(each.table.table_context.tables() for each in variants)
        reached = _unique(each.table.all_reached() for each in variants)
        first = variants[0].table
        written = list(first.table_context.written_tables) if writes else []
        return cls(
            read,
            [table for table in reached if table not in read],
            written,
            [table for table in first.all_written() if table not in written],
        )

    def mark_used(self, db: Database, by: str) -> None:
        """Record that a Resource uses the tables, so that a later scope of them is an error."""
        _scoping.mark_used(db, (*self.read, *self.nested), by)
        _scoping.mark_used(db, (*self.written, *self.nested_written), by, "write")

    def nested_scopes(self, db: Database, table: Table) -> list[params.Depends]:
        """The dependencies that return the scopes of tables that only nested writes reach.

        Args:
            db: The database.
            table: The table of the Resource.
        """
        return [
            *_scoping.dependencies(db, self.nested, table),
            *_scoping.write_dependencies(db, self.nested_written, optional=True),
        ]


def _unique(groups: Iterable[Iterable[Table]]) -> list[Table]:
    return list(dict.fromkeys(table for group in groups for table in group))
