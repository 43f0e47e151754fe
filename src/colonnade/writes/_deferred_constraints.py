"""Constraints that a database checks at the commit only."""

from sqlalchemy import Connection, text


def check_deferred_constraints(connection: Connection) -> None:
    """Check the deferred constraints of a transaction now.

    SQLite can only check whole tables, so there it is left to the commit.

    Args:
        connection: The connection of the transaction.

    Raises:
        sqlalchemy.exc.IntegrityError: A row violates one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
