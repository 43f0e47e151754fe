"""Read the extensions, schemas, domains, sequences and functions that adopted tables need.

Models cannot declare them. The first revision creates them with SQL for PostgreSQL.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from colonnade.migrations.adopt._catalog import Catalog

_DEPENDENCIES = """
SELECT DISTINCT u.refclassid::regclass::text AS catalog, u.refobjid AS oid, e.extname AS extension,
       n.nspname AS schema
FROM (SELECT 'pg_class'::regclass AS classid, unnest(CAST(:tables AS oid[])) AS objid
      UNION SELECT 'pg_class'::regclass, indexrelid FROM pg_index
      WHERE indrelid = ANY(CAST(:tables AS oid[]))
      UNION SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef
      WHERE adrelid = ANY(CAST(:tables AS oid[]))
      UNION SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
      WHERE conrelid = ANY(CAST(:tables AS oid[])) OR contypid IN (
            SELECT atttypid FROM pg_attribute WHERE attrelid = ANY(CAST(:tables AS oid[])))
) part JOIN pg_depend u USING (classid, objid)
LEFT JOIN pg_depend m ON m.classid = u.refclassid AND m.objid = u.refobjid AND m.deptype = 'e'
LEFT JOIN pg_extension e ON e.oid = m.refobjid LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
"""
_DOMAINS = """
SELECT t.oid, n.nspname AS schema, t.typname AS name, t.typdefault AS default,
       format_type(t.typbasetype, t.typtypmod) AS base, t.typnotnull AS is_required,
       CASE WHEN t.typcollation <> b.typcollation THEN c.collname END AS collation,
       ARRAY(SELECT 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
             FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname
       ) AS checks
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
JOIN pg_type b ON b.oid = t.typbasetype LEFT JOIN pg_collation c ON c.oid = t.typcollation
WHERE t.typtype = 'd' AND (n.nspname = ANY(:schemas) OR t.oid = ANY(CAST(:used AS oid[])))
      AND NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = 'pg_type'::regclass
                      AND m.objid = t.oid AND m.deptype = 'e')
"""
_SEQUENCES = """
SELECT s.oid, n.nspname AS schema, s.relname AS name, format_type(q.seqtypid, NULL) AS type,
       q.seqstart AS start, q.seqincrement AS step, q.seqmin AS least, q.seqmax AS most,
       q.seqcache AS cache, q.seqcycle AS cycles, tn.nspname AS table_schema, t.relname AS table,
       a.attname AS column, (SELECT count(*) FROM pg_depend u WHERE u.refobjid = s.oid
                             AND u.classid = 'pg_attrdef'::regclass) AS users
FROM pg_sequence q JOIN pg_class s ON s.oid = q.seqrelid
JOIN pg_namespace n ON n.oid = s.relnamespace
LEFT JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
     AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
LEFT JOIN pg_class t ON t.oid = d.refobjid LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
WHERE d.deptype IS DISTINCT FROM 'i'
      AND (n.nspname = ANY(:schemas) OR s.oid = ANY(CAST(:used AS oid[])))
      AND NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = 'pg_class'::regclass
                      AND m.objid = s.oid AND m.deptype = 'e')
"""
_FUNCTIONS = """
SELECT f.oid, pg_get_functiondef(f.oid) AS source, f.oid::regprocedure::text AS signature
FROM pg_proc f JOIN pg_namespace n ON n.oid = f.pronamespace
WHERE f.prokind = 'f' AND f.oid = ANY(CAST(:used AS oid[]))
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_MAX_VALUE = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True)
class DatabaseObjects:
    """SQL statements for PostgreSQL around the creation of tables.

    Attributes:
        first: Statements before all others: extensions and schemas.
        before: Statements before the tables: domains, sequences and functions.
        after: Statements after the tables: the owners of sequences.
        undo: Statements that drop the objects, after the tables are dropped.
        types: The types that neither models nor SQLAlchemy know, by table and column.
    """

    first: Sequence[str] = ()
    before: Sequence[str] = ()
    after: Sequence[str] = ()
    undo: Sequence[str] = ()
    types: Mapping[tuple[str, str], str] = field(default_factory=dict)


def read_objects(connection: Connection, tables: Collection[Table]) -> DatabaseObjects:
    """Read the objects that some tables need.

    Args:
        connection: The database.
        tables: The tables that are adopted.
    """
    if connection.dialect.name != "postgresql":
        return DatabaseObjects()
    return _Reader(Catalog(connection, tables)).read()


def serial_columns(
    connection: Connection, tables: Collection[Table]
) -> frozenset[tuple[str | None, str, str]]:
    """The columns with a default as SERIAL creates it, by schema, table and name."""
    if connection.dialect.name != "postgresql":
        return frozenset()
    return frozenset(_Reader(Catalog(connection, tables)).serials)


class _Reader:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.used = catalog.rows(_DEPENDENCIES)
        sequences = self._rows(_SEQUENCES, "pg_class")
        serials = {row.oid: self._serial(row) for row in sequences}
        self.serials = {serial for serial in serials.values() if serial is not None}
        self.sequences = [row for row in sequences if serials[row.oid] is None]

    def _rows(self, query: str, catalog: str) -> Sequence[sa.Row[Any]]:
        used = [row.oid for row in self.used if row.catalog == catalog and row.extension is None]
        return self.catalog.rows(query, used=used)

    def _serial(self, row: Any) -> tuple[str | None, str, str] | None:
        """The column of a sequence that is named and used as SERIAL would; otherwise None."""
        options = (row.start, row.step, row.least, row.cache, row.cycles)
        has_default_options = options == (1, 1, 1, 1, False)
        if not has_default_options or row.users > 1 or row.most != _MAX_VALUE[row.type]:
            return None
        for (schema, name), table in self.catalog.tables.items():
            key = list(table.primary_key.columns)
            if len(key) != 1 or schema != row.schema:
                continue
            default = str(getattr(key[0].server_default, "arg", ""))
            if row.name == f"{name}_{key[0].name}_seq" and default.startswith("nextval("):
                return table.schema, name, key[0].name
        return None

    def read(self) -> DatabaseObjects:
        statements = sorted([*self._domains(), *self._sequences(), *self._functions()])
        return DatabaseObjects(
            list(self._first()),
            [sql for _, sql, _ in statements],
            list(self._owners()),
            [undo for _, _, undo in reversed(statements)],
        )

    def _first(self) -> Iterator[str]:
        extensions = sorted({(row.extension, row.schema) for row in self.used if row.extension})
        schemas = {*self.catalog.schemas, *(schema for _, schema in extensions)}
        for schema in sorted(schemas - {self.catalog.default, "pg_catalog"}):
            yield f"CREATE SCHEMA IF NOT EXISTS {self.catalog.quote(schema)}"
        for name, schema in extensions:
            in_schema = (
                "" if schema == self.catalog.default else f" SCHEMA {self.catalog.quote(schema)}"
            )
            yield f"CREATE EXTENSION IF NOT EXISTS {self.catalog.quote(name)}{in_schema}"

    def _domains(self) -> Iterator[tuple[int, str, str]]:
        for row in self._rows(_DOMAINS, "pg_type"):
            name = self.catalog.name(row.schema, row.name)
            parts = [f"CREATE DOMAIN {name} AS {row.base}"]
            parts += [f"COLLATE {self.catalog.quote(row.collation)}"] if row.collation else []
            parts += [f"DEFAULT {row.default}"] if row.default is not None else []
            parts += ["NOT NULL"] if row.is_required else []
            yield row.oid, " ".join([*parts, *row.checks]), f"DROP DOMAIN {name}"

    def _sequences(self) -> Iterator[tuple[int, str, str]]:
        for row in self.sequences:
            name = self.catalog.name(row.schema, row.name)
            sql = " ".join([f"CREATE SEQUENCE {name}", *_sequence_options(row)])
            yield row.oid, sql, f"DROP SEQUENCE IF EXISTS {name}"

    def _owners(self) -> Iterator[str]:
        for row in sorted(self.sequences, key=lambda row: (row.schema, row.name)):
            if (row.table_schema, row.table) in self.catalog.tables:
                name = self.catalog.name(row.schema, row.name)
                table = self.catalog.name(row.table_schema, row.table)
                owner = f"{table}.{self.catalog.quote(row.column)}"
                yield f"ALTER SEQUENCE {name} OWNED BY {owner}"

    def _functions(self) -> Iterator[tuple[int, str, str]]:
        for row in self._rows(_FUNCTIONS, "pg_proc"):
            yield row.oid, row.source.strip(), f"DROP FUNCTION {row.signature}"


def _sequence_options(row: Any) -> Iterator[str]:
    highest = _MAX_VALUE[row.type]
    least, most = (1, highest) if row.step > 0 else (-highest - 1, -1)
    start = row.least if row.step > 0 else row.most
    if row.type != "bigint":
        yield f"AS {row.type}"
    for word, value, usual in (
        ("INCREMENT BY", row.step, 1),
        ("MINVALUE", row.least, least),
        ("MAXVALUE", row.most, most),
        ("START WITH", row.start, start),
        ("CACHE", row.cache, 1),
    ):
        if value != usual:
            yield f"{word} {value}"
    if row.cycles:
        yield "CYCLE"
