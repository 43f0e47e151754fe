"""``SharedSession``: a session that several requests in process share, in one transaction."""

from dataclasses import dataclass

from fastapi import Request
from starlette.types import Scope

from colonnade.database import Database
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._overrides import OverrideSession

_KEY = "colonnade.shared_session"
"""Key in the ASGI scope, which no request from outside can set."""


@dataclass(frozen=True, slots=True)
class SharedSession(OverrideSession):
    """A session that a caller in process provides, and commits or rolls back itself.

    Attributes:
        db: The database of the session.
        is_trial: Whether it will be rolled back, so that nothing is ever committed.
    """

    db: Database
    is_trial: bool

    def after_write(self, *, waiting: bool) -> None:
        """Check whether a write may leave its commit to the caller.

        Args:
            waiting: Whether hooks wait for the commit.

        Raises:
            Problem: 409, they cannot wait for that of several requests.
        """
        if waiting and not self.is_trial:
            raise Problem(
                409,
                "This table runs code after each commit, so it cannot be written together with "
                "other changes. Send this change alone.",
                kind="committed_hooks",
            )


def share_session(scope: Scope, session: SharedSession) -> None:
    """Let a request in process use a session."""
    scope[_KEY] = session


def shared_session(request: Request, db: Database | None) -> SharedSession | None:
    """The session that a request in process is to use for a database; None for its own."""
    session: SharedSession | None = request.scope.get(_KEY)
    return session if session is not None and session.db is db else None
