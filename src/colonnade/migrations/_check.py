"""Check that a history can be applied and reverted, and that it matches the models."""

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData

from colonnade.database import DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._environment import INTERNAL_TABLES
from colonnade.migrations._history import History, translated_errors
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.autogenerate._drift import differences
from colonnade.migrations.autogenerate._enum_types import enums_in
from colonnade.migrations.autogenerate._revision_writer import recorder_for
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.runner._baseline import start_from_baseline
from colonnade.migrations.runner._runner import Direction, MigrationRun
from colonnade.migrations.runner._throwaway_database import throwaway_database


def check(history: History, url: DatabaseURL, metadata: MetaData) -> None:
    """Upgrade, downgrade and upgrade a throwaway database, then compare it with the models.

    A history with a baseline starts there, and is reverted to it.

    Args:
        history: The history.
        url: A database of the same kind.
        metadata: The models' tables.

    Raises:
        MigrationError: The history has several heads, a revision fails in either direction, the
            downgrade leaves tables, or the history differs from the models.

    Examples:
        ```python
        from pathlib import Path

        from colonnade.migrations import History, check, models_of
        from colonnade.testing import Project

        project = Project.find(Path.cwd())
        tables = models_of(project)
        check(History(project), project.choose_database().url, tables)
        ```
    """
    history.head()
    schema_history = SchemaHistory()
    with throwaway_database(url) as connection:
        with translated_errors(history.folder):
            base = start_from_baseline(history, connection, "heads", schema_history) or "base"
        before = set(_tables_and_types(connection))
        runs: tuple[tuple[Direction, str], ...] = (
            ("upgrade", "heads"), ("downgrade", base), ("upgrade", "heads"),
        )  # fmt: skip
        for direction, target in runs:
            run = MigrationRun(
                history,
                connection,
                direction,
                target,
                note=recorder_for(schema_history, connection),
            )
            with translated_errors(history.folder, run):
                run.execute()
            if direction == "downgrade":
                leftovers = [name for name in _tables_and_types(connection) if name not in before]
                if leftovers:
                    raise MigrationError(
                        f"The downgrade to {base} does not drop {', '.join(leftovers)}. Drop them "
                        "in the downgrade() of the revisions that create them."
                    )
        changes = [
            describe(difference)
            for difference in differences(connection, metadata, schema_history=schema_history)
        ]
    if changes:
        raise MigrationError(
            f"The models are ahead of the history: {'; '.join(changes)}. Run `colonnade migrate` "
            "to write a revision."
        )


def _tables_and_types(connection: Connection) -> list[str]:
    tables = sorted(set(sa.inspect(connection).get_table_names()) - INTERNAL_TABLES)
    has_types = connection.dialect.name == "postgresql"
    types = [f"the type {name}" for _, name in enums_in(connection)] if has_types else []
    connection.rollback()
    return [*tables, *types]
