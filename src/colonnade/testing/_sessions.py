"""The sessions of a test, which are expired when others commit."""

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

from colonnade.database import CheckedKeySession, Database, OnLoopClose
from colonnade.errors import FixtureError

_WRITTEN = "colonnade_has_written"


class LoopSession(CheckedKeySession):
    """The sync session of an AsyncSession, which is bound to the event loop that first uses it.

    The fixture is set up before the event loop of the test runs.
    """

    database: Database
    loop: asyncio.AbstractEventLoop | None = None
    loop_end: OnLoopClose

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine:
        loop = asyncio.get_running_loop()
        if self.loop is None or self.loop.is_closed():
            self.loop = loop
            # The loop may close before the fixture is torn down.
            self.loop_end = OnLoopClose(partial(_end_transaction, self, invalidate=True))
        elif self.loop is not loop:
            raise FixtureError(
                "async_session is used in a different event loop from its first use. Run the "
                "test and its fixtures in one loop: set the same loop_scope for both "
                "(pytest-asyncio), or give anyio_backend their scope (anyio)."
            )
        return self.database.async_engine.sync_engine


def async_session(database: Database) -> AsyncSession:
    """Create an AsyncSession on the engine of the event loop that first uses it."""
    session = AsyncSession(expire_on_commit=False, sync_session_class=LoopSession)
    sync: Any = session.sync_session
    sync.database = database
    return session


def track_writes(session: Session, committed: Callable[[], None] | None = None) -> None:
    """Track whether a session has uncommitted writes, for ``has_uncommitted_changes``.

    Args:
        session: The session.
        committed: Called after each commit.
    """

    def written(*_: object) -> None:
        session.info[_WRITTEN] = True

    def executed(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            written()

    def ended(_: object, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            session.info.pop(_WRITTEN, None)

    event.listen(session, "after_flush", written)
    event.listen(session, "do_orm_execute", executed)
    event.listen(session, "after_transaction_end", ended)
    if committed is not None:
        event.listen(session, "after_commit", lambda _: committed())


@contextmanager
def on_other_commits(
    session: Session, database: Database, committed: Callable[[], None]
) -> Iterator[None]:
    """Call back when others than the session commit to a database.

    Args:
        session: The session.
        database: The database.
        committed: Called after each such commit.
    """
    thread = threading.get_ident()
    engine, is_committing = database.engine, False

    def commit_begins(_: object) -> None:
        nonlocal is_committing
        is_committing = True

    def commit_ends(_: object) -> None:
        nonlocal is_committing
        is_committing = False

    def engine_committed(_: object) -> None:
        # A commit in another thread must not expire rows while the session is changing them.
        here = threading.get_ident() == thread
        if not is_committing and (here or not has_uncommitted_changes(session)):
            committed()

    def session_committed(other: AnySession) -> None:
        bind = getattr(other.bind, "engine", None)
        if bind is not None and bind is not engine and database.has(bind):
            engine_committed(other)

    listeners: list[tuple[Any, str, Callable[..., None]]] = [
        (session, "before_commit", commit_begins),
        (session, "after_commit", commit_ends),
        (session, "after_soft_rollback", lambda session, _: commit_ends(session)),
        (engine, "commit", engine_committed),
        (AnySession, "after_commit", session_committed),
    ]
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    try:
        yield
    finally:
        for target, name, listener in listeners:
            event.remove(target, name, listener)


def has_uncommitted_changes(session: Session) -> bool:
    """Whether a session has changes that are not flushed or not committed."""
    changed = any(session.is_modified(row) for row in session.dirty)
    return bool(session.info.get(_WRITTEN) or session.new or session.deleted or changed)


async def release(session: AsyncSession) -> None:
    """Roll back a session and return its connection to the pool.

    Its rows stay loaded, for fixtures that are torn down after the test.
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
    """Expire the unchanged rows of a session, so that it reads them again."""
    for row in list(session.identity_map.values()):
        if not session.is_modified(row) and row not in session.deleted:
            session.expire(row)


async def refresh(session: AsyncSession) -> None:
    """Refresh the unchanged rows of an async session, which cannot load them on access."""
    for row in list(session.sync_session.identity_map.values()):
        if not session.is_modified(row) and inspect(row).session is not None:
            with suppress(InvalidRequestError):  # the row is deleted
                await session.refresh(row)
