"""Name the objects of a database that neither its models nor its history contain."""

from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from colonnade.migrations.adopt._catalog import Catalog

_MAX_NAMES = 12
"""The maximum number of names in a note; further names are only counted."""

_POSTGRESQL = {
    "Views": """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND n.nspname = ANY(:schemas) AND NOT EXISTS (
              SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1""",
    "Foreign tables": """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'f' AND n.nspname = ANY(:schemas) ORDER BY 1""",
    "Triggers": """
        SELECT tgrelid::regclass || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal
        AND tgparentid = 0 AND tgrelid = ANY(CAST(:tables AS oid[])) ORDER BY 1""",
    "Rules": """
        SELECT ev_class::regclass || '.' || rulename FROM pg_rewrite
        WHERE rulename <> '_RETURN' AND ev_class = ANY(CAST(:tables AS oid[])) ORDER BY 1""",
    "Row-level security policies": """
        SELECT polrelid::regclass || '.' || polname FROM pg_policy
        WHERE polrelid = ANY(CAST(:tables AS oid[])) ORDER BY 1""",
    "Inherited tables": """
        SELECT i.inhrelid::regclass || ' (of ' || i.inhparent::regclass || ')'
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE NOT c.relispartition
        AND c.relkind = 'r' AND i.inhparent = ANY(CAST(:tables AS oid[])) ORDER BY 1""",
    "Exclusion constraints": """
        SELECT conrelid::regclass || '.' || conname FROM pg_constraint
        WHERE contype = 'x' AND conrelid = ANY(CAST(:tables AS oid[])) ORDER BY 1""",
    "Temporal constraints (WITHOUT OVERLAPS, PERIOD)": """
        SELECT conrelid::regclass || '.' || conname FROM pg_constraint
        WHERE (to_jsonb(pg_constraint) ->> 'conperiod')::boolean AND contype <> 'x'
        AND conrelid = ANY(CAST(:tables AS oid[])) ORDER BY 1""",
}
_PARTITIONED = """
SELECT p.partrelid::regclass::text, pg_get_partkeydef(p.partrelid),
       ARRAY(SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = p.partrelid
             ORDER BY 1)
FROM pg_partitioned_table p WHERE p.partrelid = ANY(CAST(:tables AS oid[])) ORDER BY 1
"""
_SQLITE = {
    "Views": "SELECT name FROM sqlite_master WHERE type = 'view' ORDER BY 1",
    "Triggers": "SELECT tbl_name || '.' || name FROM sqlite_master WHERE type = 'trigger' "
    "ORDER BY 1",
}


def not_adopted_notes(connection: Connection, tables: Collection[Table]) -> Iterator[str]:
    """Sentences about the objects that are left out.

    Args:
        connection: The database.
        tables: The tables that are adopted.
    """
    if connection.dialect.name != "postgresql":
        for kind, query in _SQLITE.items():
            yield from _left_out(kind, connection.scalars(sa.text(query)).all())
        return
    catalog = Catalog(connection, tables)
    for kind, query in _POSTGRESQL.items():
        yield from _left_out(kind, [row[0] for row in catalog.rows(query)])
    for name, key, parts in map(tuple, catalog.rows(_PARTITIONED)):
        into = f" into {listed(parts)}" if parts else ""
        yield f"{name} is partitioned by {key}{into}: its model is one table without partitions."


def _left_out(kind: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        yield f"{kind} are left out: {listed(names)}."


def listed(names: Sequence[str]) -> str:
    """Join names with commas; of many only the first ones, and the number of others."""
    rest = len(names) - _MAX_NAMES
    shown = ", ".join(names[: _MAX_NAMES if rest > 1 else None])
    return f"{shown} and {rest} more" if rest > 1 else shown
