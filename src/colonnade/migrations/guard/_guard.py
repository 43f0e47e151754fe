"""The guard: what each step would cost, looked up before any is run.

A step is safe, or it locks others out for longer than they would wait for a lock, loses data,
cannot be undone, or fails on the rows that are there.
"""

from collections.abc import Iterator, Sequence

from alembic.operations import ops
from alembic.runtime.migration import RevisionStep
from sqlalchemy import Connection

from colonnade.migrations._history import History
from colonnade.migrations.autogenerate._descriptions import describe
from colonnade.migrations.guard._assessor import StepAssessor
from colonnade.migrations.guard._dry_run import Recording, record
from colonnade.migrations.guard._findings import Finding
from colonnade.migrations.runner._journal import journal_name, rows_of
from colonnade.migrations.runner._runner import Direction, revision_of


def look_ahead(
    history: History,
    connection: Connection,
    steps: Sequence[RevisionStep],
    direction: Direction,
    longest: float,
) -> list[Finding]:
    """What is dangerous in revisions that are about to be run.

    Args:
        history: The history.
        connection: The database, for the rows and sizes of its tables.
        steps: The revisions.
        direction: Whether they are upgraded to, or taken back.
        longest: Seconds that others may be made to wait.
    """
    judge = StepAssessor(connection, longest)
    findings: list[Finding] = []
    halves = dict(rows_of(connection))
    for step in steps:
        recording = record(connection, step.migration_fn)
        judge.revision = revision_of(step)
        done = halves.get(journal_name(judge.revision, direction), 0)
        for operation, number in zip(recording.operations, recording.numbers, strict=True):
            if number >= done:  # the rest was done before an interruption
                findings += judge.judge(operation)
        if not recording.is_whole:
            findings.append(_unjudged(judge.revision, recording))
        if direction == "upgrade":
            back = record(connection, step.revision.module.downgrade)
            findings += _undoing(judge.revision, history, recording, back)
    return findings


def tables_made(history: History, connection: Connection) -> set[str]:
    """The tables that a history makes."""
    return {
        operation.table_name
        for revision in history.revisions
        for operation in record(connection, revision.module.upgrade).operations
        if isinstance(operation, ops.CreateTableOp)
    }


def _unjudged(revision: str, recording: Recording) -> Finding:
    """A revision that goes by what the database answers: what follows is not known before."""
    last = describe(recording.operations[-1]) if recording.operations else "its first line"
    return Finding(
        "not-judged",
        revision,
        revision,
        f"what follows {last}",
        "it asks the database, or fails without one.",
        "read it; or let steps.for_each_batch and op.execute do what it does.",
    )


def _undoing(
    revision: str, history: History, there: Recording, back: Recording
) -> Iterator[Finding]:
    """A revision that does something and whose downgrade does nothing cannot be undone."""
    if back.operations or not there.operations:
        return
    yield Finding(
        "cannot-undo",
        revision,
        revision,
        f"{describe(there.operations[0])}",
        "its downgrade() does nothing.",
        "write its reverse into downgrade(), if there is one.",
    )
