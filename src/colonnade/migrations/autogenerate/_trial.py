"""Try a revision that was just written: forwards, back, and forwards again, on rows."""

from collections.abc import Sequence
from math import inf

from sqlalchemy import Connection

from colonnade.errors import MigrationError
from colonnade.migrations._history import History, explained
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.autogenerate._sample_rows import Samples
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.guard._dry_run import record
from colonnade.migrations.guard._guard import look_ahead
from colonnade.migrations.runner._runner import Direction, Run, plan

_WAY: tuple[tuple[Direction, str], ...] = (
    ("upgrade", "heads"),
    ("downgrade", "-1"),
    ("upgrade", "heads"),
)


def try_out(history: History, connection: Connection, ledger: SchemaHistory, revision: str) -> None:
    """Run a revision in a throwaway database.

    Rows that it cannot have, as the guard tells, are taken away before: they are for whoever runs
    it to look after. Whatever else fails is a fault of the revision.

    Args:
        history: The history, with the revision.
        connection: A throwaway database with the history up to it.
        ledger: What the history said.
        revision: Its id.

    Raises:
        MigrationError: It fails, forwards or back.
    """
    samples = Samples(connection, ledger)
    module = next(script.module for script in history.revisions if script.revision == revision)
    tables = {
        str(table_of(operation)).rpartition(".")[2]
        for function in (module.upgrade, module.downgrade)
        for operation in record(connection, function).operations
    }
    heads: Sequence[str] = history.script.get_revision(revision)._versioned_down_revisions
    for direction, target in _WAY:
        samples.make(tables)
        steps = plan(history, direction, target, heads)
        for finding in look_ahead(history, connection, steps, direction, inf):
            if finding.kind == "fails":
                samples.clear(finding.table)
        connection.rollback()
        run = Run(history, connection, direction, target, note=ledger.note)
        try:
            with explained(history.folder, run):
                run()
        except MigrationError as error:
            way = "forwards" if direction == "upgrade" else "back"
            raise MigrationError(
                f"The revision was not kept, since it cannot be run {way}: {error} Nothing in your "
                "database was touched. Write it by hand (colonnade migrate --empty), or change the "
                "models in smaller steps; and please report it with the models before and after."
            ) from error
        heads = (revision,) if direction == "upgrade" else history.script.get_revision(
            revision)._versioned_down_revisions  # fmt: skip
