"""What ``Database.session()`` answers: a session for ``with`` and for ``async with``."""

from types import TracebackType

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database.connections._engines import Engines
from colonnade.database.replicas._read_router import READ_ONLY, ReadRouter


class SessionContext:
    """Opens a ``Session`` in ``with``, an ``AsyncSession`` in ``async with``; for one use.

    Args:
        engines: What the database is reached by.
        reading: Where its reads go.
        read_only: Whether the session writes nothing, and may be a replica's.
    """

    __slots__ = ("_async_session", "_engines", "_read_only", "_reading", "_session")

    def __init__(self, engines: Engines, reading: ReadRouter, *, read_only: bool) -> None:
        self._engines = engines
        self._reading = reading
        self._read_only = read_only

    def __enter__(self) -> Session:
        if self._read_only:
            self._session = self._reading.over(self._reader)
        else:
            self._session = Session(self._engines.sync, expire_on_commit=False)
            self._note_writes(self._session)
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
            self._async_session = await self._reading.over_async(self._async_reader)
        else:
            engine = self._engines.of_loop().engine
            self._async_session = AsyncSession(engine, expire_on_commit=False)
            self._note_writes(self._async_session.sync_session)
        return self._async_session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # SQLAlchemy's own way out, which a cancelled task cannot cut short.
        await self._async_session.__aexit__(exc_type, exc, traceback)

    def _reader(self, engines: Engines) -> Session:
        """A session that only reads; it is connected, so that another can be asked if it fails."""
        session = Session(engines.sync.execution_options(**READ_ONLY), expire_on_commit=False)
        try:
            session.connection()
        except BaseException:
            session.close()
            raise
        return session

    async def _async_reader(self, engines: Engines) -> AsyncSession:
        engine = engines.of_loop().engine.sync_engine.execution_options(**READ_ONLY)
        session = AsyncSession(AsyncEngine(engine), expire_on_commit=False)
        try:
            await session.connection()
        except BaseException:
            await session.close()
            raise
        return session

    def _note_writes(self, session: Session) -> None:
        if self._reading.replicas:

            @event.listens_for(session, "after_commit")
            def note(session: Session) -> None:
                if not session.in_nested_transaction():
                    self._reading.note_write()
