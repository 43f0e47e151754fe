"""The size of a table, from which the guard estimates how long a step takes."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

SCAN_RATE = 250e6
"""Bytes per second at which PostgreSQL reads a table to check its rows.

All three rates are half of what benchmarks/migrations.py measured for a table in memory, on two
cores. A disk may be slower; the estimates only need to tell seconds from minutes.
"""

INDEX_RATE = 150e6
"""Bytes of a table per second at which PostgreSQL builds an index."""

REWRITE_RATE = 50e6
"""Bytes per second, indexes included, at which PostgreSQL or SQLite rewrites a table."""


@dataclass(frozen=True)
class TableSize:
    """The size of a table.

    Attributes:
        rows: The number of rows; an estimate for large tables on PostgreSQL.
        size: Bytes, indexes included.
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


def table_size(connection: Connection, table: str, schema: str | None) -> TableSize | None:
    """The current size of a table; None if the table does not exist."""
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
    if rows < 100_000:  # not analyzed yet, or quick to count
        limited = sa.text(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT 100000) AS part")  # noqa: S608
        rows = max(rows, connection.execute(limited).scalar_one())
    return TableSize(rows, size)


def _row_size(connection: Connection, name: str) -> int:
    """Approximate bytes per row: the average of the first 1,000 rows."""
    columns = [row[1] for row in connection.execute(sa.text(f"PRAGMA table_info({name})"))]
    preparer = connection.dialect.identifier_preparer
    sizes = " + ".join(f"coalesce(length({preparer.quote(column)}), 1)" for column in columns)
    query = sa.text(f"SELECT avg(size) FROM (SELECT {sizes} AS size FROM {name} LIMIT 1000)")  # noqa: S608
    return round(connection.execute(query).scalar_one() or 0) + 8
