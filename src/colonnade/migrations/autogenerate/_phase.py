"""Operations of a revision, kept together with the operations that undo them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alembic.operations.ops import MigrateOperation

from colonnade.migrations.operations import Step


@dataclass
class Phase:
    """One part of a revision, in both directions.

    Attributes:
        upgrade: The operations of the upgrade, in order.
        downgrade: The operations of the downgrade, in order.
    """

    upgrade: Sequence[MigrateOperation] = field(default_factory=list)
    downgrade: Sequence[MigrateOperation] = field(default_factory=list)

    def add(self, step: Step, *undo: Step) -> None:
        """Append a step; the downgrade undoes it before all earlier steps.

        Args:
            step: The step.
            undo: The steps that undo it. The default is its reverse.
        """
        self.upgrade = [*self.upgrade, step]
        self.downgrade = [*(undo or [step.reverse()]), *self.downgrade]

    def __add__(self, later: "Phase") -> "Phase":
        """Join two phases; the downgrade undoes the later one first."""
        return Phase(
            [*self.upgrade, *later.upgrade],
            [*later.downgrade, *self.downgrade],
        )
