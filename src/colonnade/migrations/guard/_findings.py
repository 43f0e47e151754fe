"""What the guard finds: a step that is not safe, why, and what is."""

from dataclasses import dataclass

from colonnade.migrations.guard._squawk import Kind

_TITLES: dict[Kind, str] = {
    "locks": "locks",
    "loses-data": "loses data",
    "cannot-undo": "cannot be undone",
    "not-judged": "cannot be judged",
    "fails": "would fail",
}


@dataclass(frozen=True)
class Finding:
    """A step that is not safe.

    Attributes:
        kind: What is dangerous in it.
        subject: What it is about: a table, a column, a constraint, a revision.
        revision: Whose step it is.
        step: What it does.
        why: What would happen.
        instead: The safe way; empty if there is none.
        table: The table whose rows it is about, as it is called now; empty if it is about none.
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
        """What allows it: ``loses-data:task.title``."""
        return f"{self.kind}:{self.subject}"

    def is_allowed(self, allow: frozenset[str]) -> bool:
        """Whether ``--allow`` names it. What would fail cannot be allowed."""
        return self.kind != "fails" and (self.name in allow or self.kind in allow)

    def __str__(self) -> str:
        safe = f"\n  safe: {self.instead}" if self.instead else ""
        step = f"{self.step} (revision {self.revision}) {_TITLES[self.kind]}"
        return f"{self.name}\n  {step}: {self.why}{safe}"
