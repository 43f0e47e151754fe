"""A throwaway database to replay a history in."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from colonnade.database import Database, DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._environment import opened


@contextmanager
def shadow(url: DatabaseURL) -> Iterator[Connection]:
    """A connection to an empty database like another, which goes at the end.

    Args:
        url: The other: an SQLite database gets one in memory, one on PostgreSQL another on the
            same server.

    Raises:
        MigrationError: The server lets this user make none.
    """
    if url.backend == "sqlite":
        with opened(Database("sqlite://")) as connection:
            yield connection
        return
    server = _Server(url.direct)
    with server.connected(), server.made() as throwaway:
        database = Database(throwaway)
        try:
            with opened(database) as connection:
                connection.exec_driver_sql("SET synchronous_commit = off")
                connection.commit()
                yield connection
        finally:
            database.dispose()


_PREFIX = "colonnade_shadow_"
_IN_USE = 0x636F6C6F
"""The first key of the advisory locks on names of throwaway databases: ``colo`` in ASCII."""

_ABANDONED = """
SELECT d.datname FROM pg_database d
WHERE d.datname LIKE 'colonnade\\_shadow\\_%' AND NOT EXISTS (
  SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted
  AND l.classid = :class AND l.objid::bigint = (hashtext(d.datname)::bigint & 4294967295))
"""
"""Those whose maker is gone: it was killed, else it would hold a lock on the name."""


class _Server:
    """A server of PostgreSQL, where throwaway databases are made."""

    def __init__(self, url: DatabaseURL) -> None:
        self.url = url
        self._connection: Connection | None = None

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Keep a connection, which holds a lock on the name of each database that is in use."""
        server = Database(self.url)
        try:
            engine = server.engine.execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as self._connection:
                self._drop_abandoned()
                yield
        finally:
            server.dispose()

    @contextmanager
    def made(self) -> Iterator[DatabaseURL]:
        """An empty database that goes at the end.

        Raises:
            MigrationError: The server lets this user make none.
        """
        connection = self._connection
        assert connection is not None
        name = f"{_PREFIX}{secrets.token_hex(6)}"
        lock = {"class": _IN_USE, "name": name}
        connection.execute(text("SELECT pg_advisory_lock(:class, hashtext(:name))"), lock)
        try:
            connection.execute(text(f"CREATE DATABASE {name}"))
        except DBAPIError as error:
            raise MigrationError(
                f"The history is replayed in a throwaway database, and none can be created on "
                f"{self.url}: {error.orig}. Let the user create databases (ALTER USER ... "
                "CREATEDB), or "
                "name another server with --shadow-url: `colonnade test-db` starts one."
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
        for name in connection.scalars(text(_ABANDONED), {"class": _IN_USE}).all():
            with suppress(DBAPIError):  # another user's, or somebody else drops it as well
                connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
