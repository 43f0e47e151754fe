"""What the guard reports: a step that is not safe, the reason, and a safe alternative."""

from dataclasses import dataclass

from colonnade.migrations.guard._squawk import Kind

_TITLES: dict[Kind, str] = {
    "locks": "locks",
    "loses-data": "loses data",
    "cannot-undo": "cannot be undone",
    "not-judged": "cannot be assessed",
    "fails": "would fail",
}


@dataclass(frozen=True)
class Finding:
    """A step that is not safe.

    Attributes:
        kind: The kind of danger.
        subject: The table, column, constraint or revision that is affected.
        revision: The id of the revision.
        step: A description of the step.
        why: What would happen.
        instead: A safe alternative; empty if there is none.
        table: The current name of the table whose rows are affected; empty if there is none.

    Examples:
        ```python
        from colonnade.migrations import Finding

        finding = Finding(
            kind="loses-data",
            subject="task.title",
            revision="4edcb97abb17",
            step="drop column task.title",
            why="its values are deleted",
        )
        print(finding.name)  # loses-data:task.title
        print(finding.is_allowed(frozenset({"loses-data"})))  # True
        ```
    """

    kind: Kind
    subject: str
    revision: str
    step: str
    why: str
    instead: str = ""
    table: str = ""

    @property
    def name(self) -> str:
        """The value of ``--allow`` that lets the step run, such as ``loses-data:task.title``."""
        return f"{self.kind}:{self.subject}"

    def is_allowed(self, allow: frozenset[str]) -> bool:
        """Whether the user has allowed the step. A step that would fail cannot be allowed.

        Args:
            allow: The allowed findings, by name, and the allowed kinds.

        Returns:
            Whether the step may run.
        """
        return self.kind != "fails" and (self.name in allow or self.kind in allow)

    def __str__(self) -> str:
        safe = f"\n  safe: {self.instead}" if self.instead else ""
        step = f"{self.step} (revision {self.revision}) {_TITLES[self.kind]}"
        return f"{self.name}\n  {step}: {self.why}{safe}"
