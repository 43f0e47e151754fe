"""The tables of an application in a database, and the meaning of SQLite's declared types."""

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeEngine

_MIGRATION_TABLES = frozenset(("alembic_version", "colonnade_migration"))
"""Tables of the migrations themselves."""

_PARTITIONS = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (c.relispartition OR EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid
       AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')) AND n.nspname = :schema
"""
_SHADOW_TABLE_SUFFIXES = (
    "config|content|data|docsize|idx|segdir|segments|stat|node|parent|rowid|"
    r"chunks|rowids|vector_chunks\d\d|info"
)
"""Suffixes of the shadow tables of SQLite's virtual tables: FTS3 to FTS5, R*Tree, sqlite-vec."""


def application_tables(connection: Connection, schema: str | None = None) -> list[str]:
    """The names of the tables that hold an application's rows.

    These exclude tables of extensions, of SQLite's virtual tables and of migrations, and
    partitions, whose rows belong to the partitioned table.

    Args:
        connection: The database.
        schema: The schema; None for the default schema.
    """
    inspector = sa.inspect(connection)
    names = set(inspector.get_table_names(schema)) - _MIGRATION_TABLES
    if connection.dialect.name == "postgresql":
        parameters = {"schema": schema or inspector.default_schema_name}
        names -= set(connection.scalars(sa.text(_PARTITIONS), parameters))
    else:
        names -= _virtual_tables(connection, names)
        names = {name for name in names if not name.startswith("sqlite_")}
    return sorted(names)


def schemas_with_tables(connection: Connection) -> list[str]:
    """The schemas, other than the default, that contain tables of an application."""
    inspector = sa.inspect(connection)
    schemas = set(inspector.get_schema_names()) - {inspector.default_schema_name}
    schemas -= {"information_schema", "temp"}
    return sorted(schema for schema in schemas if application_tables(connection, schema))


def _virtual_tables(connection: Connection, names: set[str]) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
    virtual = set(connection.scalars(sa.text(query)))
    stored = {
        name
        for name in names
        for virtual_table in virtual
        if re.fullmatch(f"{re.escape(virtual_table)}_({_SHADOW_TABLE_SUFFIXES})", name)
    }
    return virtual | stored


class LooseText(sa.types.TypeDecorator[str]):
    """Text in a column for which SQLite converts digits into a number.

    SQLite stores ``'42'`` as the integer 42 in a column with numeric affinity, such as one that is
    declared as ``UUID`` or ``STRING``. This type returns it as text. ``colonnade adopt`` uses it in
    the models of such tables; new models do not need it.

    Examples:
        ```python
        from colonnade import Database, Field, LooseText, SQLModel, select, text


        class Product(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(sa_type=LooseText)


        db = Database("sqlite://")
        with db.session() as session:
            session.exec(text("CREATE TABLE product (id INTEGER PRIMARY KEY, code STRING)"))
            session.exec(text("INSERT INTO product (code) VALUES ('42')"))
            print(repr(session.exec(select(Product.code)).one()))  # '42'
        ```
    """

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else str(value)


_TYPES_BY_NAME: tuple[tuple[str, TypeEngine[Any]], ...] = (
    (r".*(TIMESTAMP|DATETIME).*", sa.DateTime()),
    (r"UUID|GUID|UNIQUEIDENTIFIER|ENUM|SET|STRING|NAME|CITEXT|XML|INET|CIDR|MACADDR8?|INTERVAL|"
     r"TSVECTOR|URL|EMAIL", LooseText()),
    (r"JSONB", sa.JSON()),
    (r"BIT|YEAR|LONG|(SMALL|BIG)?SERIAL", sa.Integer()),
    (r"(SMALL)?MONEY|NUMBER|DEC|FIXED|CURRENCY", sa.Numeric()),
    (r"BINARY|VARBINARY|BYTEA|IMAGE|RAW|ROWVERSION", sa.LargeBinary()),
)  # fmt: skip
_KNOWN_TO_SQLALCHEMY = re.compile(
    r".*(INT|CHAR|CLOB|TEXT|BLOB|REAL|FLOA|DOUB|DECIMAL|NUMERIC|BOOL|DATE|TIME|JSON)"
)


def read_sqlite_types(connection: Connection, table: Table) -> None:
    """Set the types of reflected columns by their declared types, on SQLite.

    SQLite allows any type name, and SQLAlchemy treats unknown names as numbers. This function
    knows the type names of other databases. Columns with other names get no type, so that their
    values are returned unchanged.

    Args:
        connection: The database; nothing happens unless it is SQLite.
        table: The reflected table.
    """
    if connection.dialect.name != "sqlite":
        return
    for name, declared in declared_types(connection, table.name).items():
        type_name = re.sub(r"\(.*", "", declared).strip().upper()
        if name in table.columns and type_name:
            column = table.columns[name]
            column.type = _type_of(type_name, column.type)


def read_sqlite_uniques(connection: Connection, table: Table) -> None:
    """Read the UNIQUE constraints of a table, on SQLite.

    SQLAlchemy finds them in the text of the statement, but not those of ``VARCHAR(5) UNIQUE``.

    Args:
        connection: The database; nothing happens unless it is SQLite.
        table: The reflected table.
    """
    if connection.dialect.name != "sqlite":
        return
    reflected = [each for each in table.constraints if isinstance(each, sa.UniqueConstraint)]
    names = {tuple(unique.columns.keys()): unique.name for unique in reflected}
    table.constraints.difference_update(reflected)
    columns = sa.text(
        "SELECT list.seq, info.name FROM pragma_index_list(:table) AS list, "
        "pragma_index_info(list.name) AS info WHERE list.origin = 'u' ORDER BY list.seq, info.seqno"
    )
    uniques: dict[int, list[str]] = {}
    for number, name in connection.execute(columns, {"table": table.name}):
        uniques.setdefault(number, []).append(name)
    for unique in uniques.values():
        table.append_constraint(sa.UniqueConstraint(*unique, name=names.get(tuple(unique))))


def declared_types(connection: Connection, table: str) -> Mapping[str, str]:
    """The declared types of a table's columns on SQLite."""
    rows = connection.execute(sa.text("SELECT name, type FROM pragma_table_xinfo(:name)"),
                              {"name": table})  # fmt: skip
    return dict(map(tuple, rows.all()))


def _type_of(type_name: str, reflected: TypeEngine[Any]) -> TypeEngine[Any]:
    for pattern, kind in _TYPES_BY_NAME:
        if re.fullmatch(pattern, type_name):
            return reflected if isinstance(reflected, type(kind)) else kind
    return reflected if _KNOWN_TO_SQLALCHEMY.match(type_name) else sa.types.NullType()
