"""What ``Database.session()`` answers: a session for ``with`` and for ``async with``."""

from types import TracebackType
from typing import TYPE_CHECKING

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

if TYPE_CHECKING:
    from colonnade.database._database import Database


class SessionContext:
    """Opens a ``Session`` in ``with``, an ``AsyncSession`` in ``async with``; for one use."""

    __slots__ = ("_async_session", "_database", "_session")

    def __init__(self, database: "Database") -> None:
        self._database = database

    def __enter__(self) -> Session:
        self._session = Session(self._database.engine, expire_on_commit=False)
        return self._session

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    async def __aenter__(self) -> AsyncSession:
        self._async_session = AsyncSession(self._database.async_engine, expire_on_commit=False)
        return self._async_session

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # SQLAlchemy's own way out, which a cancelled task cannot cut short.
        await self._async_session.__aexit__(exc_type, exc, traceback)
