"""``SharedSession``: a session that several requests in process share, in one transaction."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import Request, Response
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.background import BackgroundTask
from starlette.types import Scope

from colonnade.database import Database
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._disconnect import DeadlineError
from colonnade.resources.routes._overrides import OverrideSession

T = TypeVar("T")

_KEY = "colonnade.shared_session"
"""Key in the ASGI scope, which no request from outside can set."""


@dataclass(frozen=True, slots=True)
class SharedSession(OverrideSession):
    """A session that a caller in process provides, and commits or rolls back itself.

    Attributes:
        db: The database of the session.
        is_trial: Whether it will be rolled back, so that nothing is ever committed.
        is_combined: Whether several writes share it.
        failures: The errors of the database in requests that used it, for the caller to retry.
        background: What the responses wanted to do after they are sent, for after the commit.
    """

    db: Database
    is_trial: bool
    is_combined: bool = False
    failures: list[Exception] = field(default_factory=list)
    background: list[BackgroundTask] = field(default_factory=list)

    def after_write(self, *, waiting: bool) -> None:
        """Check whether a write may leave its commit to the caller.

        Args:
            waiting: Whether hooks wait for the commit.

        Raises:
            Problem: 409, they cannot wait for that of several requests.
        """
        if waiting and self.is_combined:
            raise Problem(
                409,
                "This table runs code after each commit, so it cannot be written together with "
                "other changes. Send this change alone.",
            )

    def take_background(self, response: Response) -> None:
        """Keep the background tasks of a response from running before the commit."""
        if response.background is not None:
            self.background.append(response.background)
            response.background = None

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do the same as ``Database.transaction_async``, in the savepoint of the session.

        A hook may end it by itself: the session then begins another one.
        """
        try:
            return await work(self.session)
        except BaseException:
            if isinstance(self.session, AsyncSession):
                await self.session.rollback()
            raise

    @asynccontextmanager
    async def limited(self, seconds: float | None) -> AsyncIterator[None]:
        """Limit the time of a block, as for a request with another session, and note its errors.

        Args:
            seconds: The limit; None for none.

        Raises:
            DeadlineError: It took longer.
        """
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                yield
        except TimeoutError:
            if seconds is None or not limit.expired():
                raise
            raise DeadlineError(seconds) from None
        except SQLAlchemyError as error:
            self.failures.append(error)
            raise


def share_session(scope: Scope, session: SharedSession) -> None:
    """Let a request in process use a session."""
    scope[_KEY] = session


def shared_session(request: Request, db: Database | None) -> SharedSession | None:
    """The session that a request in process is to use for a database; None for another one."""
    session: SharedSession | None = request.scope.get(_KEY)
    return session if session is not None and session.db is db else None


def has_shared_session(scope: Scope) -> bool:
    """Whether a request in process is to use a session, of whatever database."""
    return _KEY in scope


def refuse_with_override(request: Request) -> None:
    """Refuse a write in a shared session if a test overrides that of the request.

    Raises:
        Problem: 409, the transaction is that of the test.
    """
    if request.method not in {"GET", "HEAD"}:
        raise Problem(
            409,
            "The session of this database is overridden, so changes cannot be tried or combined. "
            "Send one change, with dry_run=false.",
        )
