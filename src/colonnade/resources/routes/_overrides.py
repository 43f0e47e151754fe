"""Sessions that ``app.dependency_overrides`` provides, as tests use them.

An override of ``db.get_async_session`` or ``db.get_session`` sets the session of an endpoint. The
statements of a Resource then run in the transaction of that session.
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
        is_new: Whether the override created the session for this request. Then the request
            commits it, as an endpoint would; otherwise the test decides.
    """

    session: Session | AnyAsyncSession
    is_new: bool

    async def run(self, work: Callable[[Connection], T], *, begin: bool) -> T:
        """Do the same as ``Database.run_async``, in the transaction of the session."""
        return await self._in_session(partial(_run, work=work, begin=begin, commit=self.is_new))

    async def transaction(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Do the same as ``Database.transaction_async``, in the transaction of the session.

        Raises:
            DatabaseError: The session is a ``Session``, and hooks need an ``AsyncSession``.
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

    async def refresh(self) -> None:
        """Refresh the objects of the session after a write that bypassed it."""
        if not self.is_new:
            await self._in_session(_refresh)

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
        DatabaseError: The override does not provide a session.
    """
    app = request.scope["app"]
    is_async = db.get_async_session in app.dependency_overrides
    newest = Session().hash_key  # SQLAlchemy numbers sessions in the order of creation
    name = "get_async_session" if is_async else "get_session"
    session = await solve(getattr(db, name), request)
    if not isinstance(session, Session | AnyAsyncSession):
        raise DatabaseError(
            f"app.dependency_overrides[db.{name}] must provide a Session or an AsyncSession, "
            f"not a {type(session).__name__}."
        )
    sync = session if isinstance(session, Session) else session.sync_session
    override = OverrideSession(session, is_new=sync.hash_key > newest)
    yield override
    if request.method not in {"GET", "HEAD"}:
        await override.refresh()


def _run(session: Session, *, work: Callable[[Connection], T], begin: bool, commit: bool) -> T:
    session.flush()
    connection = session.connection()
    # A savepoint keeps a failed statement from aborting the transaction. SQLite needs none for a
    # single statement, and its savepoint would take the write lock for a read.
    needs_savepoint = begin or connection.dialect.name == "postgresql"
    with connection.begin_nested() if needs_savepoint else nullcontext():
        result = work(connection)
    if commit:
        session.commit()
    return result


def _refresh(session: Session) -> None:
    for instance in list(session.identity_map.values()):
        if not session.is_modified(instance):
            with suppress(InvalidRequestError):  # the row was deleted
                session.refresh(instance)
