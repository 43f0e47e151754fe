"""``Phase``: what a revision does around the changes of tables, and takes back in a downgrade."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alembic.operations.ops import MigrateOperation


@dataclass
class Phase:
    """Operations around others, both ways. Phases nest: the first to begin is the last to end.

    Attributes:
        first: What an upgrade does before the others.
        last: What it does after them.
        undo_last: What takes ``last`` back, before a downgrade takes the others back.
        undo_first: What takes ``first`` back, after that.
    """

    first: list[MigrateOperation] = field(default_factory=list)
    last: list[MigrateOperation] = field(default_factory=list)
    undo_last: list[MigrateOperation] = field(default_factory=list)
    undo_first: list[MigrateOperation] = field(default_factory=list)


def upgrade_around(
    phases: Sequence[Phase], operations: Iterable[MigrateOperation]
) -> list[MigrateOperation]:
    """Return the operations of an upgrade, with those of the phases before and after them."""
    first = [operation for phase in phases for operation in phase.first]
    last = [operation for phase in phases for operation in phase.last]
    return [*first, *operations, *last]


def downgrade_around(
    phases: Sequence[Phase], operations: Iterable[MigrateOperation]
) -> list[MigrateOperation]:
    """Return the operations of a downgrade, with those of the phases before and after them."""
    undo_last = [operation for phase in reversed(phases) for operation in phase.undo_last]
    return [*undo_last, *operations, *undo_first_of(phases)]


def undo_first_of(phases: Sequence[Phase]) -> list[MigrateOperation]:
    """Return what takes back the beginning of every phase."""
    return [operation for phase in reversed(phases) for operation in phase.undo_first]
