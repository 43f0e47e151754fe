"""``CurrentTest``: what one test has open, and how it is closed."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database
from colonnade.testing import _sessions
from colonnade.testing._call_sites import site
from colonnade.testing._lifespans import Lifespan
from colonnade.testing._statements import unseen
from colonnade.testing._tasks import left_running, running_tasks

if TYPE_CHECKING:
    import httpx2
    from anyio.from_thread import BlockingPortal
    from starlette.testclient import TestClient

T = TypeVar("T")

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class UncommittedWarning(UserWarning):
    """A request is made while the test's own session holds back rows that the app cannot see."""


class CurrentTest:
    """The database of one test, with its sessions and clients.

    Args:
        database: The database.
        url: Where it is, with the password if there is one.

    Attributes:
        complaints: What the test left that it ought not to have, a sentence each.
    """

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self.url = url
        self.complaints: list[str] = []
        self._session: Session | None = None
        self._async_session: AsyncSession | None = None
        self._lifespan: Lifespan | None = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The sync session of the test."""
        with self.database.session() as session:
            self._session = session
            _sessions.watch(session)
            with _sessions.commits_of_others(session, self.database, self._expire):
                yield session
            self._session = None

    @contextmanager
    def async_session(self) -> Iterator[AsyncSession]:
        """The async session of the test, for whichever event loop uses it first."""
        self._async_session = _sessions.async_session(self.database)
        _sessions.watch(self._async_session.sync_session, committed=self._expire)
        yield self._async_session
        self._close()
        self._async_session = None

    @contextmanager
    def client(self, app: Any, portal: "BlockingPortal") -> Iterator["TestClient"]:
        """A client of an app for sync tests; the app runs in another thread's event loop.

        Args:
            app: The app.
            portal: The event loop.
        """
        from colonnade.testing._clients import sync_client

        lifespan = Lifespan(app)
        with _kept_overrides(app):
            before = portal.call(_started, lifespan)
            try:
                yield sync_client(lifespan, portal, self._before, self._after)
            finally:
                self.complaints += portal.call(_stopped, lifespan, before)

    @contextmanager
    def async_client(self, app: Any) -> Iterator["httpx2.AsyncClient"]:
        """A client of an app for async tests; the app runs in the test's event loop."""
        from colonnade.testing._clients import async_client

        self._lifespan = Lifespan(app)
        with _kept_overrides(app):
            yield async_client(self._lifespan, self._before, self._after_async)
            self._close()

    async def around(self, test: Callable[[], Awaitable[T]]) -> T:
        """Run an async test, and close in its event loop what it opened there."""
        before = running_tasks()
        try:
            return await test()
        finally:
            await self.aclose()
            self.complaints += await left_running(before)

    async def aclose(self) -> None:
        """Close what is open in an event loop."""
        if self._lifespan is not None:
            await self._lifespan.stop()
        if self._async_session is not None:
            await _sessions.end(self._async_session)

    def _close(self) -> None:
        """``aclose``, where a fixture has opened something after the test, or instead of it."""
        for loop in self._loops():
            if not (loop.is_running() or loop.is_closed()):
                loop.run_until_complete(self.aclose())

    def _loops(self) -> list[asyncio.AbstractEventLoop]:
        session: Any = None if self._async_session is None else self._async_session.sync_session
        loops = [owner.loop for owner in (self._lifespan, session) if owner is not None]
        return [loop for loop in loops if loop is not None]

    def _before(self, request: Any) -> None:
        sessions = {"session": self._session, "async_session": self._async_session}
        for name, session in sessions.items():
            sync = session.sync_session if isinstance(session, AsyncSession) else session
            if sync is not None and _sessions.holds_back(sync):
                _warn(
                    f"{name} has uncommitted changes: the app does not see them, and on SQLite its "
                    f"writes wait for them. Call {name}.commit() before the request."
                )

    def _after(self, response: Any) -> None:
        if response.request.method not in _SAFE:
            self._expire()

    async def _after_async(self, response: Any) -> None:
        self._after(response)
        if response.request.method not in _SAFE and self._async_session is not None:
            with unseen():
                await _sessions.refresh(self._async_session)

    def _expire(self) -> None:
        if self._session is not None:
            _sessions.expire(self._session)


async def _started(lifespan: Lifespan) -> set["asyncio.Task[Any]"]:
    """Start an app; which tasks there were before."""
    before = running_tasks()
    await lifespan.start()
    return before


async def _stopped(lifespan: Lifespan, before: set["asyncio.Task[Any]"]) -> list[str]:
    """Stop an app; which tasks it has left."""
    await lifespan.stop()
    return await left_running(before)


@contextmanager
def _kept_overrides(app: Any) -> Iterator[None]:
    """What a test puts into ``app.dependency_overrides`` is gone when it ends."""
    overrides = getattr(app, "dependency_overrides", None)
    before = dict(overrides or {})
    try:
        yield
    finally:
        if overrides is not None:
            with suppress(AttributeError):
                app.dependency_overrides.clear()
                app.dependency_overrides.update(before)


def _warn(message: str) -> None:
    place = site()
    file, line = ("<test>", 1) if place is None else (place.file, place.line)
    warnings.warn_explicit(message, UncommittedWarning, file, line)
