"""A throwaway database in which a history is replayed."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database, DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._environment import migration_connection


@contextmanager
def throwaway_database(url: DatabaseURL) -> Iterator[Connection]:
    """Connect to a new, empty database, which is dropped at the end.

    Args:
        url: A database of the same kind. For SQLite the new database is in memory, for PostgreSQL
            on the same server.

    Raises:
        MigrationError: The user may not create databases on the server.
    """
    if url.backend == "sqlite":
        with migration_connection(Database("sqlite://")) as connection:
            yield connection
        return
    server = _Server(url.direct)
    with server.connect(), server.create_database() as new_url:
        database = Database(new_url)
        try:
            with migration_connection(database) as connection:
                connection.exec_driver_sql("SET synchronous_commit = off")
                connection.commit()
                yield connection
        finally:
            database.dispose()


_PREFIX = "colonnade_shadow_"
_LOCK_CLASS = 0x636F6C6F
"""The first key of the advisory locks on names of throwaway databases: ``colo`` in ASCII."""

_ABANDONED = """
SELECT d.datname FROM pg_database d
WHERE d.datname LIKE 'colonnade\\_shadow\\_%' AND NOT EXISTS (
  SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted
  AND l.classid = :class AND l.objid::bigint = (hashtext(d.datname)::bigint & 4294967295))
"""
"""The databases of processes that were killed: a running process holds a lock on the name."""


class _Server:
    """A PostgreSQL server on which throwaway databases are created."""

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._connection: Connection | None = None

    @contextmanager
    def connect(self) -> Iterator[None]:
        """Open the connection that holds the locks on the names of databases in use."""
        server = Database(self.url)
        try:
            engine = server.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as self._connection:
                self._drop_abandoned()
                yield
        finally:
            server.dispose()

    @contextmanager
    def create_database(self) -> Iterator[DatabaseURL]:
        """Create an empty database and drop it at the end.

        Raises:
            MigrationError: The user may not create databases on the server.
        """
        connection = self._connection
        assert connection is not None
        name = f"{_PREFIX}{secrets.token_hex(6)}"
        lock = {"class": _LOCK_CLASS, "name": name}
        connection.execute(text("SELECT pg_advisory_lock(:class, hashtext(:name))"), lock)
        try:
            connection.execute(text(f"CREATE DATABASE {name}"))
        except DBAPIError as error:
            raise MigrationError(
                "Could not create a throwaway database to replay the history in on "
                f"{self.url}: {error.orig}. Allow the user to create databases (ALTER USER ... "
                "CREATEDB), or specify another server with --shadow-url: `colonnade test-db` "
                "starts one."
            ) from error
        sync = replace(self.url.sync, url=self.url.sync.url.set(database=name))
        try:
            yield replace(self.url, sync=sync, shown=name)
        finally:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            connection.execute(text("SELECT pg_advisory_unlock(:class, hashtext(:name))"), lock)

    def _drop_abandoned(self) -> None:
        connection = self._connection
        assert connection is not None
        for name in connection.scalars(text(_ABANDONED), {"class": _LOCK_CLASS}).all():
            # It may belong to another user, or another process may drop it at the same time.
            with suppress(DBAPIError):
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
