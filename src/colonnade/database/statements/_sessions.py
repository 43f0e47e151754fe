"""``SessionContext``: the return value of ``Database.session()``, for sync and async code."""

from types import TracebackType
from typing import cast

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database.connections._engines import Engines
from colonnade.database.replicas._read_router import READ_ONLY, ReadRouter
from colonnade.database.statements._impossible_values import CheckedKeySession
from colonnade.database.statements._open_sessions import TrackedSession, note_opened


class SessionContext:
    """Opens a ``Session`` in ``with`` and an ``AsyncSession`` in ``async with``.

    ``Database.session()`` returns it, for a single use. Uncommitted changes are rolled back at the
    end of the block.

    Args:
        engines: The database's engines.
        read_router: Chooses the server of a read-only session.
        read_only: Whether the session only reads, so that a replica may serve it.

    Examples:
        ```python
        import asyncio

        from colonnade import Database, text

        db = Database("sqlite://")
        with db.session() as session:
            print(session.exec(text("SELECT 1")).scalar())  # 1


        async def main() -> None:
            async with db.session(read_only=True) as session:
                print((await session.exec(text("SELECT 2"))).scalar())  # 2


        asyncio.run(main())
        ```
    """

    __slots__ = ("_async_session", "_engines", "_read_only", "_read_router", "_session")
    _session: Session

    def __init__(self, engines: Engines, read_router: ReadRouter, *, read_only: bool) -> None:
        self._engines = engines
        self._read_router = read_router
        self._read_only = read_only

    def __enter__(self) -> Session:
        if self._read_only:
            self._session = self._read_router.run(self._read_session)
        else:
            session = TrackedSession(self._engines.sync, expire_on_commit=False)
            note_opened(session)
            self._note_writes(session)
            self._session = session
        return self._session

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    async def __aenter__(self) -> AsyncSession:
        if self._read_only:
            self._async_session = await self._read_router.run_async(self._async_read_session)
        else:
            engine = self._engines.for_running_loop().engine
            self._async_session = AsyncSession(
                engine, expire_on_commit=False, sync_session_class=TrackedSession
            )
            session = cast(TrackedSession, self._async_session.sync_session)
            note_opened(session)
            self._note_writes(session)
        return self._async_session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # SQLAlchemy closes the session even if the task is cancelled.
        await self._async_session.__aexit__(exc_type, exc, traceback)

    def _read_session(self, engines: Engines) -> Session:
        """Open and connect a read-only session; if that fails, another server is tried."""
        engine = engines.sync.execution_options(**READ_ONLY)
        session = CheckedKeySession(engine, expire_on_commit=False)
        try:
            session.connection()
        except BaseException:
            session.close()
            raise
        return session

    async def _async_read_session(self, engines: Engines) -> AsyncSession:
        engine = engines.for_running_loop().engine.sync_engine.execution_options(**READ_ONLY)
        session = AsyncSession(
            AsyncEngine(engine), expire_on_commit=False, sync_session_class=CheckedKeySession
        )
        try:
            await session.connection()
        except BaseException:
            await session.close()
            raise
        return session

    def _note_writes(self, session: Session) -> None:
        if self._read_router.replicas:

            @event.listens_for(session, "after_commit")
            def note(session: Session) -> None:
                if not session.in_nested_transaction():
                    self._read_router.note_write()
