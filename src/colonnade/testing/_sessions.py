"""The sessions of a test: plain ones, that see what the app wrote meanwhile."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from sqlalchemy import Engine, event, inspect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import ORMExecuteState, SessionTransaction
from sqlalchemy.orm import Session as AnySession
from sqlalchemy.util import greenlet_spawn
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database, OnLoopClose
from colonnade.errors import FixtureError

_WRITTEN = "colonnade_has_written"


class LoopSession(Session):
    """The sync side of an AsyncSession that finds its engine when it is first used.

    A fixture is made before the event loop of its test runs.
    """

    database: Database
    loop: asyncio.AbstractEventLoop | None = None
    loop_end: OnLoopClose

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine:
        loop = asyncio.get_running_loop()
        if self.loop is None or self.loop.is_closed():
            self.loop = loop
            # The loop may end before the fixture does.
            self.loop_end = OnLoopClose(partial(_end_transaction, self, invalidate=True))
        elif self.loop is not loop:
            raise FixtureError(
                "async_session is used in another event loop than it was first used in. Let the "
                "test and the fixtures that it uses run in one loop: say the same loop_scope for "
                "both (pytest-asyncio), or give anyio_backend their scope (anyio)."
            )
        return self.database.async_engine.sync_engine


def async_session(database: Database) -> AsyncSession:
    """An AsyncSession on the engine of whichever event loop uses it first."""
    session = AsyncSession(expire_on_commit=False, sync_session_class=LoopSession)
    sync: Any = session.sync_session
    sync.database = database
    return session


def watch(session: Session, committed: Callable[[], None] | None = None) -> None:
    """Know of a session whether it has written what is not committed yet.

    Args:
        session: The session.
        committed: Called after each commit.
    """

    def note(*_: object) -> None:
        session.info[_WRITTEN] = True

    def note_statement(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            note()

    def ended(_: object, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            session.info.pop(_WRITTEN, None)

    event.listen(session, "after_flush", note)
    event.listen(session, "do_orm_execute", note_statement)
    event.listen(session, "after_transaction_end", ended)
    if committed is not None:
        event.listen(session, "after_commit", lambda _: committed())


@contextmanager
def commits_of_others(
    session: Session, database: Database, committed: Callable[[], None]
) -> Iterator[None]:
    """Be told when anybody but a session commits something to a database.

    Args:
        session: The session.
        database: The database.
        committed: Called after each such commit.
    """
    thread = threading.get_ident()
    engine, is_own = database.engine, False

    def begin_own(_: object) -> None:
        nonlocal is_own
        is_own = True

    def end_own(_: object) -> None:
        nonlocal is_own
        is_own = False

    def note(_: object) -> None:
        # A thread of the test's own must not take away what the session is changing meanwhile.
        if not is_own and (threading.get_ident() == thread or not holds_back(session)):
            committed()

    def note_async(other: AnySession) -> None:
        bind = getattr(other.bind, "engine", None)
        if bind is not None and bind is not engine and database.has(bind):
            note(other)

    listeners: list[tuple[Any, str, Callable[..., None]]] = [
        (session, "before_commit", begin_own),
        (session, "after_commit", end_own),
        (session, "after_soft_rollback", lambda session, _: end_own(session)),
        (engine, "commit", note),
        (AnySession, "after_commit", note_async),
    ]
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    try:
        yield
    finally:
        for target, name, listener in listeners:
            event.remove(target, name, listener)


def holds_back(session: Session) -> bool:
    """Whether a session has changes that are not committed."""
    changed = any(session.is_modified(row) for row in session.dirty)
    return bool(session.info.get(_WRITTEN) or session.new or session.deleted or changed)


async def end(session: AsyncSession) -> None:
    """Give a session's connection back; what is not committed is gone.

    What it has read stays with it: that may serve fixtures still, which end after the test.
    """
    sync = session.sync_session
    await _end_transaction(sync)
    if isinstance(sync, LoopSession) and sync.loop is not None:
        sync.loop = None
        await sync.loop_end.aclose()


async def _end_transaction(session: AnySession, *, invalidate: bool = False) -> None:
    transaction = session.get_transaction()
    if transaction is not None:
        await greenlet_spawn(transaction.close, invalidate)


def expire(session: Session) -> None:
    """Have a session read again what it shows, but for what was changed in it."""
    for row in list(session.identity_map.values()):
        if not session.is_modified(row) and row not in session.deleted:
            session.expire(row)


async def refresh(session: AsyncSession) -> None:
    """``expire``, for a session that cannot read when an attribute is looked at."""
    for row in list(session.sync_session.identity_map.values()):
        if not session.is_modified(row) and inspect(row).session is not None:
            with suppress(InvalidRequestError):  # it is deleted
                await session.refresh(row)
