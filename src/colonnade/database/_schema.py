"""Create the tables of a MetaData that do not exist yet."""

from sqlalchemy import (
    ARRAY,
    Connection,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    inspect,
    select,
)
from sqlalchemy.schema import CreateSchema

from colonnade._sqlalchemy_compat import creates_more_than_tables
from colonnade.database._capabilities import capabilities_of

LOCK = int.from_bytes(b"colonncr")
"""The key of the PostgreSQL advisory lock that is held while tables are created."""


def create_missing(metadata: MetaData, connection: Connection) -> None:
    """Create the tables that do not exist in the database.

    SQLAlchemy checks each table separately; this checks all of them with one statement, so that an
    application can do it on every start. Since the workers of an application start at the same
    time, a worker that finds a table missing takes a lock and checks again before it creates it.

    Args:
        metadata: The tables.
        connection: A connection in a transaction.
    """
    creates_more = creates_more_than_tables(metadata)
    if not (creates_more or _missing(metadata, connection)):
        return
    _lock_table_creation(connection)
    missing = _missing(metadata, connection)
    if connection.dialect.name == "postgresql":
        for schema in sorted({table.schema for table in missing if table.schema}):
            connection.execute(CreateSchema(schema, if_not_exists=True))
    if missing or creates_more:
        metadata.create_all(connection, tables=missing)


def _lock_table_creation(connection: Connection) -> None:
    """Take a lock, so that only one connection creates tables, until the transaction ends."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif capabilities_of(connection).advisory_locks:
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _missing(metadata: MetaData, connection: Connection) -> list[Table]:
    existing = _existing(metadata, connection)
    return [table for table in metadata.tables.values() if table.key not in existing]


def _existing(metadata: MetaData, connection: Connection) -> set[str]:
    """Return the keys of the tables that exist."""
    if connection.dialect.name == "postgresql":
        return _existing_on_postgresql(metadata, connection)
    inspector = inspect(connection)
    tables = metadata.tables.values()
    names = {schema: inspector.get_table_names(schema) for schema in {t.schema for t in tables}}
    return {table.key for table in tables if table.name in names[table.schema]}


def _existing_on_postgresql(metadata: MetaData, connection: Connection) -> set[str]:
    """Look the tables up by PostgreSQL's search path, in one statement without catalog scans.

    On a new connection this takes 0.6 ms. The inspector takes 3 ms, since the server must load
    catalog metadata first and asyncpg must look up VARCHAR[].
    """

    def quoted(table: Table) -> str:
        return connection.dialect.identifier_preparer.format_table(table)

    keys = {quoted(table): table.key for table in metadata.tables.values()}
    wanted = func.unnest(bindparam("names", list(keys), ARRAY(Text))).column_valued("name")
    statement = select(wanted).where(func.to_regclass(wanted).is_not(None))
    return {keys[name] for name in connection.scalars(statement)}
