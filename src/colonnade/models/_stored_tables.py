"""Which tables of a database are an application's, and what SQLite's types mean there."""

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

_RECORDS = frozenset(("alembic_version", "colonnade_migration"))
"""Tables in which migrations keep their own records."""

_PARTITIONS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relispartition OR EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid
       AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')) AND n.nspname = :schema
"""
_SHADOWS = (
    "config|content|data|docsize|idx|segdir|segments|stat|node|parent|rowid|"
    r"chunks|rowids|vector_chunks\d\d|info"
)
"""What SQLite's virtual tables (FTS3 to FTS5, R*Tree, sqlite-vec) call those that they store in."""


def application_tables(connection: Connection, schema: str | None = None) -> list[str]:
    """The names of a database's tables that hold an application's rows.

    Not those of extensions, of SQLite's virtual tables and of migrations; nor partitions, whose
    rows are those of the table that they are parts of.

    Args:
        connection: The database.
        schema: The schema; None: the default one.
    """
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names(schema)) - _RECORDS
    if connection.dialect.name == "postgresql":
        where = {"schema": schema or inspector.default_schema_name}
        names -= set(connection.scalars(sa.text(_PARTITIONS), where))
    else:
        names -= _virtual(connection, names)
        names = {name for name in names if not name.startswith("sqlite_")}
    return sorted(names)


def schemas_with_tables(connection: Connection) -> list[str]:
    """The schemas besides the default one that have tables of an application."""
    inspector = sa.inspect(connection)
    others = set(inspector.get_schema_names()) - {inspector.default_schema_name}
    others -= {"information_schema", "temp"}
    return sorted(other for other in others if application_tables(connection, other))


def _virtual(connection: Connection, names: set[str]) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    virtual = set(connection.scalars(sa.text(query)))
    stored = {
        name
        for name in names
        for virtual_table in virtual
        if re.fullmatch(f"{re.escape(virtual_table)}_({_SHADOWS})", name)
    }
    return virtual | stored


class LooseText(sa.types.TypeDecorator[str]):
    """Text in a column that SQLite takes for one of numbers: it stores ``'007'`` as 7."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)


_TYPES: tuple[tuple[str, TypeEngine[Any]], ...] = (
    (r".*(TIMESTAMP|DATETIME).*", sa.DateTime()),
    (r"UUID|GUID|UNIQUEIDENTIFIER|ENUM|SET|STRING|NAME|CITEXT|XML|INET|CIDR|MACADDR8?|INTERVAL|"
     r"TSVECTOR|URL|EMAIL", LooseText()),
    (r"JSONB", sa.JSON()),
    (r"BIT|YEAR|LONG|(SMALL|BIG)?SERIAL", sa.Integer()),
    (r"(SMALL)?MONEY|NUMBER|DEC|FIXED|CURRENCY", sa.Numeric()),
    (r"BINARY|VARBINARY|BYTEA|IMAGE|RAW|ROWVERSION", sa.LargeBinary()),
)  # fmt: skip
_KNOWN = re.compile(
    r".*(INT|CHAR|CLOB|TEXT|BLOB|REAL|FLOA|DOUB|DECIMAL|NUMERIC|BOOL|DATE|TIME|JSON)"
)


def read_sqlite_types(connection: Connection, table: Table) -> None:
    """Give columns the types that other databases know by the names of their declared ones.

    SQLite takes any name of a type, and SQLAlchemy takes one that it does not know for a number.
    A column whose type's name nobody knows has no type: its values are what they are.

    Args:
        connection: The database; nothing happens unless it is SQLite's.
        table: The table, as it was read.
    """
    if connection.dialect.name != "sqlite":
        return
    for name, declared in declared_types(connection, table.name).items():
        word = re.sub(r"\(.*", "", declared).strip().upper()
        if name in table.columns and word:
            column = table.columns[name]
            column.type = _meant(word, column.type)


def declared_types(connection: Connection, table: str) -> Mapping[str, str]:
    """The types of a table's columns on SQLite, as they were declared."""
    rows = connection.execute(sa.text("SELECT name, type FROM pragma_table_xinfo(:name)"),
                              {"name": table})  # fmt: skip
    return dict(map(tuple, rows.all()))


def _meant(word: str, read: TypeEngine[Any]) -> TypeEngine[Any]:
    for pattern, kind in _TYPES:
        if re.fullmatch(pattern, word):
            return read if isinstance(read, type(kind)) else kind
    return read if _KNOWN.match(word) else sa.types.NullType()
