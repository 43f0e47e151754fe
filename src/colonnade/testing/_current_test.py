"""``CurrentTest``: the sessions and clients of one test, and how they are closed."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database
from colonnade.testing import _sessions
from colonnade.testing._call_sites import current_call_site
from colonnade.testing._lifespans import Lifespan
from colonnade.testing._statements import unrecorded
from colonnade.testing._tasks import cancel_leftover_tasks, running_tasks

if TYPE_CHECKING:
    import httpx2
    from anyio.from_thread import BlockingPortal
    from starlette.testclient import TestClient

T = TypeVar("T")

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


class UncommittedWarning(UserWarning):
    """A request is sent while the test's session has uncommitted rows, which the app cannot see.

    The ``client`` and ``async_client`` fixtures warn with it. Call ``session.commit()`` before the
    request. pytest treats it like every warning: ``-W error`` turns it into a failure.

    Examples:
        ```python
        import warnings

        from colonnade.testing import UncommittedWarning

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UncommittedWarning)
            warnings.warn("Commit the session.", UncommittedWarning, stacklevel=2)
        print(caught[0].category.__name__)  # UncommittedWarning
        ```
    """


class CurrentTest:
    """The database of one test, with its sessions and clients.

    The fixtures of the pytest plugin are made of it. Use it to build fixtures for another test
    framework.

    Args:
        database: The project's Database, redirected to the test's database.
        url: The URL of the test's database, with the password.

    Attributes:
        leaks: What the test left running or open, one sentence each.

    Examples:
        ```python
        from colonnade import Database, text
        from colonnade.testing import CurrentTest

        url = "sqlite:///test.db"
        test = CurrentTest(Database(url), url)
        with test.session() as session:
            print(session.exec(text("SELECT 1")).scalar())  # 1
        print(test.leaks)  # []
        ```
    """

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self.url = url
        self.leaks: list[str] = []
        self._session: Session | None = None
        self._async_session: AsyncSession | None = None
        self._lifespan: Lifespan | None = None

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The sync session of the test.

        Yields:
            The session.
        """
        with self.database.session() as session:
            self._session = session
            _sessions.track_writes(session)
            with _sessions.on_other_commits(session, self.database, self._expire_rows):
                yield session
            self._session = None

    @contextmanager
    def async_session(self) -> Iterator[AsyncSession]:
        """The async session of the test, on the event loop that uses it first.

        Yields:
            The session.
        """
        self._async_session = _sessions.async_session(self.database)
        _sessions.track_writes(self._async_session.sync_session, committed=self._expire_rows)
        yield self._async_session
        self._close()
        self._async_session = None

    @contextmanager
    def client(self, app: Any, portal: "BlockingPortal") -> Iterator["TestClient"]:
        """A client of an app for sync tests; the app runs in the event loop of another thread.

        Args:
            app: The app.
            portal: The event loop of the app.

        Yields:
            The client.
        """
        from colonnade.testing._clients import sync_client

        lifespan = Lifespan(app)
        with _restored_overrides(app):
            tasks = portal.call(_start, lifespan)
            try:
                yield sync_client(lifespan, portal, self._check_sessions, self._after_response)
            finally:
                self.leaks += portal.call(_stop, lifespan, tasks)

    @contextmanager
    def async_client(self, app: Any) -> Iterator["httpx2.AsyncClient"]:
        """A client of an app for async tests; the app runs in the test's event loop.

        Args:
            app: The app.

        Yields:
            The client.
        """
        from colonnade.testing._clients import async_client

        self._lifespan = Lifespan(app)
        with _restored_overrides(app):
            yield async_client(self._lifespan, self._check_sessions, self._after_async_response)
            self._close()

    async def run(self, test: Callable[[], Awaitable[T]]) -> T:
        """Run an async test, then close its app and async session in the same event loop.

        Args:
            test: The test.

        Returns:
            The value that the test returned.
        """
        tasks = running_tasks()
        try:
            return await test()
        finally:
            await self.aclose()
            self.leaks += await cancel_leftover_tasks(tasks)

    async def aclose(self) -> None:
        """Stop the app and release the async session."""
        if self._lifespan is not None:
            await self._lifespan.stop()
        if self._async_session is not None:
            await _sessions.release(self._async_session)

    def _close(self) -> None:
        """Run ``aclose`` if a fixture used the app or the async session and the test did not."""
        for loop in self._loops():
            if not (loop.is_running() or loop.is_closed()):
                loop.run_until_complete(self.aclose())

    def _loops(self) -> list[asyncio.AbstractEventLoop]:
        session: Any = None if self._async_session is None else self._async_session.sync_session
        loops = [owner.loop for owner in (self._lifespan, session) if owner is not None]
        return [loop for loop in loops if loop is not None]

    def _check_sessions(self, request: Any) -> None:
        sessions = {"session": self._session, "async_session": self._async_session}
        for name, session in sessions.items():
            sync = session.sync_session if isinstance(session, AsyncSession) else session
            if sync is not None and _sessions.has_uncommitted_changes(sync):
                _warn(
                    f"{name} has uncommitted changes: the app does not see them, and on SQLite its "
                    f"writes wait for them. Call {name}.commit() before the request."
                )

    def _after_response(self, response: Any) -> None:
        if response.request.method not in _SAFE_METHODS:
            self._expire_rows()

    async def _after_async_response(self, response: Any) -> None:
        self._after_response(response)
        if response.request.method not in _SAFE_METHODS and self._async_session is not None:
            with unrecorded():
                await _sessions.refresh(self._async_session)

    def _expire_rows(self) -> None:
        if self._session is not None:
            _sessions.expire(self._session)


async def _start(lifespan: Lifespan) -> set["asyncio.Task[Any]"]:
    """Start an app; the tasks that ran before."""
    tasks = running_tasks()
    await lifespan.start()
    return tasks


async def _stop(lifespan: Lifespan, tasks: set["asyncio.Task[Any]"]) -> list[str]:
    """Stop an app and cancel the tasks that it left; a sentence for each."""
    await lifespan.stop()
    return await cancel_leftover_tasks(tasks)


@contextmanager
def _restored_overrides(app: Any) -> Iterator[None]:
    """Restore ``app.dependency_overrides`` at the end of the block."""
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
    site = current_call_site()
    file, line = ("<test>", 1) if site is None else (site.file, site.line)
    warnings.warn_explicit(message, UncommittedWarning, file, line)
