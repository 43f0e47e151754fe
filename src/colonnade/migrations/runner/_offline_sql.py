"""The SQL of revisions, for somebody to read before it is run."""

import io
from collections.abc import Sequence
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Connection, event

from colonnade.database import Database
from colonnade.migrations._environment import opened
from colonnade.migrations._history import History, explained
from colonnade.migrations.autogenerate._revision_writer import replay
from colonnade.migrations.runner._migrate import heads_known
from colonnade.migrations.runner._runner import Direction, Run, plan
from colonnade.migrations.runner._throwaway_database import shadow
from colonnade.migrations.runner._unfinished import Unfinished, unfinished


def sql_of(
    history: History, database: Database, direction: Direction = "upgrade", target: str = "heads"
) -> str:
    """The SQL that would be run; nothing is.

    On PostgreSQL as Alembic writes it offline. SQLite's tables are written anew from what they
    are, so there the revisions are run in a throwaway database, and their statements are printed.

    Args:
        history: The history.
        database: The database, for where it is.
        direction: Forwards or backwards.
        target: Where to.

    Raises:
        MigrationError: The history cannot be read, or does not know where the database is.
    """
    with opened(database) as connection:
        heads = heads_known(history, connection, database)
        if connection.dialect.name == "postgresql":
            return _offline(history, connection, direction, target, heads)
    with shadow(database.direct) as connection:
        for head in heads:
            replay(history, connection, head)
        return _traced(history, connection, direction, target)


def _offline(
    history: History,
    connection: Connection,
    direction: Direction,
    target: str,
    heads: tuple[str, ...],
) -> str:
    buffer = io.StringIO()
    config = history.config

    def steps(_: Any, context: MigrationContext) -> Sequence[RevisionStep]:
        return plan(history, direction, target, heads)

    config.output_buffer, before = buffer, config.output_buffer
    config.attributes["connection"] = connection
    starting = heads[0] if heads else "base"
    try:
        with (
            explained(history.folder),
            EnvironmentContext(
                config, history.script, fn=steps, as_sql=True, starting_rev=starting
            ),
        ):
            history.script.run_env()
    finally:
        config.output_buffer = before
        del config.attributes["connection"]
    return buffer.getvalue()


def _traced(history: History, connection: Connection, direction: Direction, target: str) -> str:
    lines: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        word = statement.split(None, 1)[0].upper() if statement.strip() else ""
        if word not in ("SELECT", "PRAGMA", "BEGIN"):
            lines.append(f"{statement.strip()};")

    event.listen(connection, "before_cursor_execute", note)
    try:
        run = Run(history, connection, direction, target)
        with explained(history.folder, run):
            run()
    finally:
        event.remove(connection, "before_cursor_execute", note)
    return "\n\n".join(lines) + ("\n" if lines else "")


def unfinished_of(history: History, database: Database) -> list[Unfinished]:
    """The revisions that a database has half of, after an interruption."""
    with opened(database) as connection:
        return unfinished(history, connection)


def current_revision(history: History, database: Database) -> tuple[tuple[str, ...], int]:
    """The revisions a database is at, and how many follow.

    Raises:
        MigrationError: The history does not have them.
    """
    with opened(database) as connection:
        heads = heads_known(history, connection, database)
    return heads, len(plan(history, "upgrade", "heads", heads)) if not history.is_empty else 0
