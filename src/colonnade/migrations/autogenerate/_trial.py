"""Test a new revision on sample rows: upgrade, downgrade, and upgrade again."""

from collections.abc import Sequence
from math import inf

from sqlalchemy import Connection

from colonnade.errors import MigrationError
from colonnade.migrations._alembic_compat import parents_of
from colonnade.migrations._history import History, translated_errors
from colonnade.migrations.autogenerate._descriptions import table_of
from colonnade.migrations.autogenerate._sample_rows import SampleRows
from colonnade.migrations.autogenerate._schema_history import SchemaHistory
from colonnade.migrations.guard._dry_run import record_operations
from colonnade.migrations.guard._guard import assess_revisions
from colonnade.migrations.runner._runner import Direction, MigrationRun, plan_revisions

_RUNS: tuple[tuple[Direction, str], ...] = (
    ("upgrade", "heads"),
    ("downgrade", "-1"),
    ("upgrade", "heads"),
)


def try_revision(
    history: History, connection: Connection, schema_history: SchemaHistory, revision: str
) -> None:
    """Run a revision in a throwaway database.

    Sample rows on which the guard expects it to fail are deleted first: in a real database, the
    user has to fix such rows. Any other failure is a defect of the revision.

    Args:
        history: The history, including the revision.
        connection: A throwaway database with the history before the revision.
        schema_history: The history's definitions.
        revision: The revision's id.

    Raises:
        MigrationError: The upgrade or the downgrade fails.
    """
    samples = SampleRows(connection, schema_history)
    module = next(script.module for script in history.revisions if script.revision == revision)
    tables = {
        str(table_of(operation)).rpartition(".")[2]
        for function in (module.upgrade, module.downgrade)
        for operation in record_operations(connection, function).operations
    }
    parents = parents_of(history.script.get_revision(revision))
    heads: Sequence[str] = parents
    for direction, target in _RUNS:
        samples.insert(tables)
        steps = plan_revisions(history, direction, target, heads)
        for finding in assess_revisions(history, connection, steps, direction, inf):
            if finding.kind == "fails":
                samples.delete(finding.table)
        connection.rollback()
        run = MigrationRun(history, connection, direction, target, note=schema_history.record)
        try:
            with translated_errors(history.folder, run):
                run.execute()
        except MigrationError as error:
            raise MigrationError(
                f"The revision was not kept, because its {direction} failed in a throwaway "
                f"database: {error} Your database was not changed. Write the revision by hand "
                "(`colonnade migrate --empty`), or change the models in smaller steps. Please "
                "report this with the models before and after the change."
            ) from error
        heads = (revision,) if direction == "upgrade" else parents
