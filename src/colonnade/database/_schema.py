"""The tables of a metadata, made where they are not there yet."""

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
"""The key of the advisory lock on PostgreSQL that is held while tables are created."""


def create_missing(metadata: MetaData, connection: Connection) -> None:
    """Create the tables that the database does not have.

    SQLAlchemy asks for each table whether it is there; this asks once, so that an application
    may do it whenever it starts. The workers of an application start at the same time: whoever
    finds a table missing takes a lock and looks again before creating it.

    Args:
        metadata: The tables.
        connection: Where to; in a transaction.
    """
    makes_more = creates_more_than_tables(metadata)
    if not (makes_more or _missing(metadata, connection)):
        return
    _wait_for_others(connection)
    missing = _missing(metadata, connection)
    if connection.dialect.name == "postgresql":
        for schema in sorted({table.schema for table in missing if table.schema}):
            connection.execute(CreateSchema(schema, if_not_exists=True))
    if missing or makes_more:
        metadata.create_all(connection, tables=missing)


def _wait_for_others(connection: Connection) -> None:
    """Let one connection at a time create tables, until its transaction ends."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif capabilities_of(connection).advisory_locks:
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _missing(metadata: MetaData, connection: Connection) -> list[Table]:
    there = _there(metadata, connection)
    return [table for table in metadata.tables.values() if table.key not in there]


def _there(metadata: MetaData, connection: Connection) -> set[str]:
    """The keys of the tables that are there."""
    if connection.dialect.name == "postgresql":
        return _found(metadata, connection)
    inspector = inspect(connection)
    tables = metadata.tables.values()
    names = {schema: inspector.get_table_names(schema) for schema in {t.schema for t in tables}}
    return {table.key for table in tables if table.name in names[table.schema]}


def _found(metadata: MetaData, connection: Connection) -> set[str]:
    """``_there``, by the search path of PostgreSQL: one statement, which reads no catalog whole.

    On a new connection it takes 0.6 ms where the inspector's takes 3: the server has to read
    its answers about the catalogs first, and asyncpg what VARCHAR[] is.
    """

    def name(table: Table) -> str:
        return connection.dialect.identifier_preparer.format_table(table)

    keys = {name(table): table.key for table in metadata.tables.values()}
    names = func.unnest(bindparam("names", list(keys), ARRAY(Text))).column_valued("name")
    statement = select(names).where(func.to_regclass(names).is_not(None))
    return {keys[name] for name in connection.scalars(statement)}
