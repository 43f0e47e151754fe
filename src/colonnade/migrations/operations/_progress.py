"""The journal and the progress callback of the run that a long step is part of.

The runner provides both in the options of Alembic's migration context, so that steps do not import
the runner. Neither is set when a step runs outside a run.
"""

from collections.abc import Callable
from typing import Any, Protocol

from alembic.runtime.migration import MigrationContext

ProgressCallback = Callable[[str, int, int], None]
"""Called with a description of the work, how much of it is done, and the total."""


class StepJournal(Protocol):
    """Where a step records how far it has come, to resume after an interruption."""

    step: int
    """The number of the current operation in its revision."""

    @property
    def resume_position(self) -> Any:
        """The position at which the current step was interrupted; None on its first run."""

    def save(self, done: int, position: Any = None) -> None:
        """Record the number of completed operations, and the position within the next one."""


def journal_of(context: MigrationContext) -> StepJournal | None:
    """Return the journal of the running revision, if it has one."""
    journal: StepJournal | None = context.opts.get("colonnade_journal")
    return journal


def report_progress(context: MigrationContext, work: str, done: int, total: int) -> None:
    """Report the progress of a long step, if anyone is listening."""
    callback: ProgressCallback | None = context.opts.get("colonnade_report")
    if callback is not None:
        callback(work, done, total)
