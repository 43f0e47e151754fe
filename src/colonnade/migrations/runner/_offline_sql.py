"""The SQL of revisions for review, and the state of a database without changing it."""

import io
from collections.abc import Sequence
from typing import Any

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, RevisionStep
from sqlalchemy import Connection, event

from colonnade.database import Database
from colonnade.errors import MigrationError
from colonnade.migrations._environment import migration_connection
from colonnade.migrations._history import History, translated_errors
from colonnade.migrations.autogenerate._revision_writer import replay
from colonnade.migrations.operations._time_zones import FROM_UTC, TO_UTC
from colonnade.migrations.runner._migrate import known_heads
from colonnade.migrations.runner._runner import Direction, MigrationRun, plan_revisions
from colonnade.migrations.runner._throwaway_database import throwaway_database
from colonnade.migrations.runner._unfinished import UnfinishedRevision, find_unfinished


def preview_sql(
    history: History, database: Database, direction: Direction = "upgrade", target: str = "heads"
) -> str:
    """The SQL that a run would execute. Nothing is changed in the database.

    On PostgreSQL it is Alembic's offline SQL. Rewriting a SQLite table depends on its current
    definition, so SQLite's SQL is collected from a run in a throwaway database.

    Args:
        history: The history.
        database: The database, for its current revision.
        direction: ``upgrade`` or ``downgrade``.
        target: The target revision, as in ``migrate_to``.

    Returns:
        The statements, one after another.

    Raises:
        MigrationError: The history cannot be read, or does not have the database's revision, or a
            statement needs a function of Colonnade's connections.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, preview_sql
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        sql = preview_sql(history, Database("sqlite:///tracker.db"))
        print("CREATE TABLE task" in sql)  # True
        ```
    """
    with migration_connection(database) as connection:
        heads = known_heads(history, connection, database)
        if connection.dialect.name == "postgresql":
            return _offline_sql(history, connection, direction, target, heads)
    with throwaway_database(database.direct) as connection:
        for head in heads:
            replay(history, connection, head)
        return _executed_sql(history, connection, direction, target)


def _offline_sql(
    history: History,
    connection: Connection,
    direction: Direction,
    target: str,
    heads: tuple[str, ...],
) -> str:
    buffer = io.StringIO()
    config = history.config

    def steps(_: Any, context: MigrationContext) -> Sequence[RevisionStep]:
        return plan_revisions(history, direction, target, heads)

    config.output_buffer, previous_buffer = buffer, config.output_buffer
    config.attributes["connection"] = connection
    starting_revision = heads[0] if heads else "base"
    try:
        with (
            translated_errors(history.folder),
            EnvironmentContext(
                config, history.script, fn=steps, as_sql=True, starting_rev=starting_revision
            ),
        ):
            history.script.run_env()
    finally:
        config.output_buffer = previous_buffer
        del config.attributes["connection"]
    return buffer.getvalue()


def _refuse_functions(statements: Sequence[str]) -> None:
    """Refuse SQL that other programs cannot run: they would go on after the failed statement."""
    for statement in statements:
        if any(f"{function}(" in statement for function in (TO_UTC, FROM_UTC)):
            raise MigrationError(
                "SQLite has no time zones, so an SQL script cannot convert times between them. Run "
                f"`colonnade upgrade` without --sql. The statement is: {statement}"
            )


def _executed_sql(
    history: History, connection: Connection, direction: Direction, target: str
) -> str:
    statements: list[str] = []

    def collect(_: Any, __: Any, statement: str, *___: Any) -> None:
        keyword = statement.split(None, 1)[0].upper() if statement.strip() else ""
        if keyword not in ("SELECT", "PRAGMA", "BEGIN"):
            statements.append(f"{statement.strip()};")

    event.listen(connection, "before_cursor_execute", collect)
    try:
        run = MigrationRun(history, connection, direction, target)
        with translated_errors(history.folder, run):
            run.execute()
    finally:
        event.remove(connection, "before_cursor_execute", collect)
    _refuse_functions(statements)
    return "\n\n".join(statements) + ("\n" if statements else "")


def unfinished_revisions(history: History, database: Database) -> list[UnfinishedRevision]:
    """The revisions of which a database has only some steps, after an interruption.

    ``upgrade`` completes them.

    Args:
        history: The history.
        database: The database.

    Returns:
        The interrupted revisions: their ids, directions and numbers of completed steps.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, unfinished_revisions
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        print(unfinished_revisions(history, Database("sqlite:///tracker.db")))  # []
        ```
    """
    with migration_connection(database) as connection:
        return find_unfinished(history, connection)


def current_revision(history: History, database: Database) -> tuple[tuple[str, ...], int]:
    """The current revisions of a database, and the number of revisions to upgrade to.

    Args:
        history: The history.
        database: The database.

    Returns:
        The ids of the current revisions, and how many revisions ``upgrade`` would run.

    Raises:
        MigrationError: The history does not have the database's revision.

    Examples:
        ```python
        from pathlib import Path

        from colonnade import Database
        from colonnade.migrations import History, current_revision, upgrade
        from colonnade.testing import Project

        history = History(Project.find(Path.cwd()))
        db = Database("sqlite:///tracker.db")
        print(current_revision(history, db))  # ((), 1)
        upgrade(db)
        print(current_revision(history, db))  # (('4edcb97abb17',), 0)
        ```
    """
    with migration_connection(database) as connection:
        heads = known_heads(history, connection, database)
    if history.is_empty:
        return heads, 0
    return heads, len(plan_revisions(history, "upgrade", "heads", heads))
