"""Assess the steps of revisions before any of them runs.

A step is safe, or it blocks others for longer than they would wait for a lock, loses data, cannot
be undone, or fails on existing rows.
"""

from collections.abc import Iterator, Sequence

from alembic.operations import ops
from alembic.runtime.migration import RevisionStep
from sqlalchemy import Connection

from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.guard._assessor import StepAssessor
from colonnade.migrations.guard._dry_run import Recording, record_operations
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.runner._journal import completed_steps, journal_name
from colonnade.migrations.runner._runner import Direction, revision_of


def assess_revisions(
    history: History,
    connection: Connection,
    revisions: Sequence[RevisionStep],
    direction: Direction,
    max_wait: float,
) -> list[Finding]:
    """Find the dangerous steps of revisions that are about to run.

    Args:
        history: The history.
        connection: The database, for the rows and sizes of its tables.
        revisions: The revisions, in the order in which they run.
        direction: Whether they are applied or reverted.
        max_wait: How long other sessions may be blocked, in seconds.
    """
    assessor = StepAssessor(connection, max_wait)
    findings: list[Finding] = []
    completed = dict(completed_steps(connection))
    for revision in revisions:
        recording = record_operations(connection, revision.migration_fn)
        assessor.revision = revision_of(revision)
        done = completed.get(journal_name(assessor.revision, direction), 0)
        for operation, number in zip(recording.operations, recording.step_numbers, strict=True):
            if number >= done:  # earlier steps ran before an interruption
                findings += assessor.assess(operation)
        if not recording.is_complete:
            findings.append(_not_assessable(assessor.revision, recording))
        if direction == "upgrade":
            downgrade = record_operations(connection, revision.revision.module.downgrade)
            findings += _irreversible(assessor.revision, recording, downgrade)
    return findings


def created_tables(history: History, connection: Connection) -> set[str]:
    """The names of the tables that a history creates."""
    return {
        operation.table_name
        for revision in history.revisions
        for operation in record_operations(connection, revision.module.upgrade).operations
        if isinstance(operation, ops.CreateTableOp)
    }


def _not_assessable(revision: str, recording: Recording) -> Finding:
    """A revision that depends on query results: its later steps are not known in advance."""
    last = describe(recording.operations[-1]) if recording.operations else "its first line"
    return Finding(
        "not-judged",
        revision,
        revision,
        f"everything after {last}",
        "the revision queries the database itself, or raises an error without a connection.",
        "read the revision, or use steps.for_each_batch and op.execute instead of op.get_bind().",
    )


def _irreversible(revision: str, upgrade: Recording, downgrade: Recording) -> Iterator[Finding]:
    """A revision that changes something while its ``downgrade()`` does nothing."""
    if downgrade.operations or not upgrade.operations:
        return
    yield Finding(
        "cannot-undo",
        revision,
        revision,
        describe(upgrade.operations[0]),
        "downgrade() does nothing.",
        "if the revision can be reverted, write the steps into downgrade().",
    )
