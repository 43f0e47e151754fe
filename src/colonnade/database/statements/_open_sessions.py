"""The sessions that are open in a task or thread, which see what ``Database.transaction`` commits.

A session keeps the rows that it has loaded, and a later query returns them as they were. After a
transaction has committed in the same task or thread, the queries of its other sessions load them
again.
"""

from contextvars import ContextVar
from typing import Any
from weakref import ReferenceType, ref

from sqlmodel import Session

from colonnade.database.statements._impossible_values import CheckedKeySession

_open_sessions: ContextVar[tuple["ReferenceType[TrackedSession]", ...]] = ContextVar(
    "colonnade_open_sessions", default=()
)


class TrackedSession(CheckedKeySession):
    """A session that can load its rows again."""

    def get(self, entity: Any, ident: Any, **options: Any) -> Any:
        """``Session.get``, which queries for a loaded row if others have committed."""
        return super().get(entity, ident, **self._with_reload(options))

    def get_one(self, entity: Any, ident: Any, **options: Any) -> Any:
        """``Session.get_one``, which queries for a loaded row if others have committed."""
        return super().get_one(entity, ident, **self._with_reload(options))

    def _with_reload(self, options: dict[str, Any]) -> dict[str, Any]:
        if options.get("populate_existing") is None and self.execution_options:
            reload = self.execution_options.get("populate_existing")
            return {**options, "populate_existing": reload}
        return options

    def load_again(self) -> None:
        """Let later queries replace the rows that this session has loaded."""
        self.execution_options = self.execution_options.union({"populate_existing": True})


def note_opened(session: TrackedSession) -> None:
    """Add a session to those of the running task or thread."""
    others = (reference for reference in _open_sessions.get() if reference() is not None)
    _open_sessions.set((*others, ref(session)))


def note_committed(session: Session) -> None:
    """Let the other sessions of the same database load their rows again."""
    for reference in _open_sessions.get():
        other = reference()
        if other is not None and other is not session and other.bind is session.bind:
            other.load_again()
