"""How large a table is: what a step on it costs those who use it."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

READ = 250e6
"""Bytes a second that PostgreSQL reads of a table to check its rows.

This and the others: half of what benchmarks/migrations.py measured of a table in memory, on two
cores. A disk may be slower; the guard errs by little where it matters, at seconds and minutes.
"""

BUILT = 150e6
"""Bytes a second of a table that it builds an index of."""

WRITTEN = 50e6
"""Bytes a second of a table, its indexes included, that it or SQLite writes anew."""


@dataclass(frozen=True)
class TableSize:
    """The size of a table.

    Attributes:
        rows: How many it has; of large ones on PostgreSQL, what it estimates.
        size: Bytes, with its indexes.
    """

    rows: int
    size: int

    def __str__(self) -> str:
        rows = f"{self.rows:,} row{'s' if self.rows != 1 else ''}"
        return f"{rows}, {_bytes(self.size)}"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def facts_of(connection: Connection, table: str, schema: str | None) -> TableSize | None:
    """The size of a table as it is now; None if there is none."""
    preparer = connection.dialect.identifier_preparer
    name = preparer.quote(table)
    if schema:
        name = f"{preparer.quote_schema(schema)}.{name}"
    if not sa.inspect(connection).has_table(table, schema):
        return None
    if connection.dialect.name != "postgresql":
        rows = connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608
        return TableSize(rows, rows * _row_size(connection, name))
    query = sa.text(
        "SELECT reltuples::bigint, pg_total_relation_size(oid) FROM pg_class "
        "WHERE oid = to_regclass(:name)"
    )
    rows, size = connection.execute(query, {"name": name}).one()
    if rows < 100_000:  # never counted, or soon counted
        limited = sa.text(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 100000) AS part")  # noqa: S608
        rows = max(rows, connection.execute(limited).scalar_one())
    return TableSize(rows, size)


def _row_size(connection: Connection, name: str) -> int:
    """Bytes in a row, about: of the first rows."""
    columns = [row[1] for row in connection.execute(sa.text(f"PRAGMA table_info({name})"))]
    preparer = connection.dialect.identifier_preparer
    sizes = " + ".join(f"coalesce(length({preparer.quote(column)}), 1)" for column in columns)
    query = sa.text(f"SELECT avg(size) FROM (SELECT {sizes} AS size FROM {name} LIMIT 1000)")  # noqa: S608
    return round(connection.execute(query).scalar_one() or 0) + 8
