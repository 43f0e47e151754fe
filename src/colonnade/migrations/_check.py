"""What is worth asking of every history."""

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData

from colonnade.database import DatabaseURL
from colonnade.errors import MigrationError
from colonnade.migrations._environment import OURS
from colonnade.migrations._history import History, explained
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.autogenerate._drift import differences
from colonnade.migrations.autogenerate._enum_types import enums_in
from colonnade.migrations.autogenerate._revision_writer import noting
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.runner._baseline import start_from_baseline
from colonnade.migrations.runner._runner import Direction, Run
from colonnade.migrations.runner._throwaway_database import shadow


def check(history: History, url: DatabaseURL, metadata: MetaData) -> None:
    """Have a history go up, down and up again in a throwaway database, and make the models' tables.

    One with a baseline begins there, and goes back to it.

    Args:
        history: The history.
        url: The kind of database.
        metadata: The models' tables.

    Raises:
        MigrationError: It has two heads, a revision fails either way, its way down leaves tables,
            or the models say something else.
    """
    history.head()
    ledger = SchemaHistory()
    with shadow(url) as connection:
        with explained(history.folder):
            base = start_from_baseline(history, connection, "heads", ledger) or "base"
        before = set(_tables_and_types(connection))
        way: tuple[tuple[Direction, str], ...] = (
            ("upgrade", "heads"), ("downgrade", base), ("upgrade", "heads"),
        )  # fmt: skip
        for direction, target in way:
            run = Run(history, connection, direction, target, note=noting(ledger, connection))
            with explained(history.folder, run):
                run()
            if direction == "downgrade":
                left = [name for name in _tables_and_types(connection) if name not in before]
                if left:
                    raise MigrationError(
                        f"A downgrade of the whole history leaves {', '.join(left)} behind."
                    )
        apart = [
            describe(difference) for difference in differences(connection, metadata, ledger=ledger)
        ]
    if apart:
        raise MigrationError(
            f"The models are ahead of the history: {'; '.join(apart)}. `colonnade migrate` writes "
            "what is missing."
        )


def _tables_and_types(connection: Connection) -> list[str]:
    tables = sorted(set(sa.inspect(connection).get_table_names()) - OURS)
    is_asked = connection.dialect.name == "postgresql"
    types = [f"the type {name}" for _, name in enums_in(connection)] if is_asked else []
    connection.rollback()
    return [*tables, *types]
