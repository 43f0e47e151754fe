"""A throwaway database to replay a history in."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
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
    with _made(url.direct) as made:
        database = Database(made)
        try:
            with opened(database) as connection:
                connection.exec_driver_sql("SET synchronous_commit = off")
                connection.commit()
                yield connection
        finally:
            database.dispose()


@contextmanager
def _made(url: DatabaseURL) -> Iterator[DatabaseURL]:
    name = f"colonnade_shadow_{secrets.token_hex(6)}"
    server = Database(url)
    try:
        with server.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            try:
                connection.execute(text(f"CREATE DATABASE {name}"))
            except DBAPIError as error:
                raise MigrationError(
                    f"The history is replayed in a throwaway database, and none can be made on "
                    f"{url}: {error.orig}. Let the user make some (ALTER USER ... CREATEDB), or "
                    "name another server with --shadow-url: `colonnade test-db` starts one."
                ) from error
            try:
                yield replace(
                    url, sync=replace(url.sync, url=url.sync.url.set(database=name)), shown=name
                )
            finally:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    finally:
        server.dispose()
