"""Sessions instead of the database's own: ``app.dependency_overrides``, as tests use them.

``app.dependency_overrides[db.get_async_session]``, or that of ``db.get_session``, says which
session an endpoint works in. The statements of a Resource then run in that session's transaction.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession as AnyAsyncSession
from sqlalchemy.orm import Session

from colonnade.database import Database
from colonnade.errors import DatabaseError
from colonnade.resources._fastapi_compat import solve

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OverrideSession:
    """The session of an override.

    Attributes:
        session: The session.
        is_new: Whether the override made it for this request. What is written is committed
            then, as an endpoint would; a session that was there before is the test's to commit.
    """

    session: Session | AnyAsyncSession
    is_new: bool

    async def run(self, work: Callable[[Connection], T], *, begin: bool) -> T:
        """``Database.run_async``, in the session's transaction."""
        return await self._in_session(partial(_run, work=work, begin=begin, commit=self.is_new))

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """``Database.transaction_async``, in the session's transaction.

        Raises:
            DatabaseError: The session is a sync one, and hooks get an async one.
        """
        session = self.session
        if isinstance(session, Session):
            raise DatabaseError(
                "A Resource with hooks needs an AsyncSession: override db.get_async_session "
                "rather than db.get_session."
            )
        async with session.begin_nested():
            result = await work(session)
        if self.is_new:
            await session.commit()
        return result

    async def renew(self) -> None:
        """Have the objects of the session show what a request has written past it."""
        if not self.is_new:
            await self._in_session(_renew)

    async def _in_session(self, work: Callable[[Session], T]) -> T:
        if isinstance(self.session, Session):
            return await run_in_threadpool(work, self.session)
        return await self.session.run_sync(work)


def is_overridden(db: Database | None, request: Request) -> bool:
    """Whether the app has an override for the sessions of a database."""
    overrides = getattr(request.scope.get("app"), "dependency_overrides", None)
    if not overrides or db is None:
        return False
    return db.get_async_session in overrides or db.get_session in overrides


@asynccontextmanager
async def override_session(db: Database, request: Request) -> AsyncIterator[OverrideSession]:
    """Provide the session of the override; its objects are refreshed after a write.

    Raises:
        DatabaseError: The override gives no session.
    """
    app = request.scope["app"]
    is_async = db.get_async_session in app.dependency_overrides
    youngest = Session().hash_key  # sessions are numbered as they are made
    name = "get_async_session" if is_async else "get_session"
    session = await solve(getattr(db, name), request)
    if not isinstance(session, Session | AnyAsyncSession):
        raise DatabaseError(
            f"app.dependency_overrides[db.{name}] must provide a Session or an AsyncSession, "
            f"not a {type(session).__name__}."
        )
    sync = session if isinstance(session, Session) else session.sync_session
    override = OverrideSession(session, is_new=sync.hash_key > youngest)
    yield override
    if request.method not in {"GET", "HEAD"}:
        await override.renew()


def _run(session: Session, *, work: Callable[[Connection], T], begin: bool, commit: bool) -> T:
    session.flush()
    connection = session.connection()
    # What fails is undone alone. SQLite undoes a statement by itself, and a savepoint would
    # take its one lock for a read.
    several = begin or connection.dialect.name == "postgresql"
    with connection.begin_nested() if several else nullcontext():
        result = work(connection)
    if commit:
        session.commit()
    return result


def _renew(session: Session) -> None:
    for instance in list(session.identity_map.values()):
        if not session.is_modified(instance):
            with suppress(InvalidRequestError):  # it is deleted
                session.refresh(instance)
