"""Starts and stops an application in the event loop of the test.

The lifespan protocol: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, TypeAlias

from colonnade.errors import FixtureError

Message: TypeAlias = MutableMapping[str, Any]


class Lifespan:
    """Wraps an ASGI application, and starts it with the first request.

    Args:
        app: The application.

    Attributes:
        app: The application.
        state: The lifespan state, which each request gets a copy of.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.start()
        await self.app({**scope, "state": dict(self.state)}, receive, send)

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that the application runs in; None if it is not running."""
        if self._task is None or self._task.get_loop().is_closed():
            return None
        return self._task.get_loop()

    async def start(self) -> None:
        """Start the application, unless it is running.

        Raises:
            FixtureError: It is running in a different event loop.
            Exception: Whatever the application raises at startup.
        """
        loop = asyncio.get_running_loop()
        if self.loop is None:
            self._startup_done = asyncio.Event()
            self._failed = False
            self._messages: asyncio.Queue[Message] = asyncio.Queue()
            self._messages.put_nowait({"type": "lifespan.startup"})
            self._task = loop.create_task(self._run(), name="lifespan")
        elif self.loop is not loop:
            raise FixtureError(
                "The app was started in a different event loop from this request. Run "
                "the test and its fixtures in one loop: set the same loop_scope for both "
                "(pytest-asyncio), or give anyio_backend their scope (anyio)."
            )
        await self._startup_done.wait()
        if self._failed:
            await self.stop()

    async def stop(self) -> None:
        """Stop the application, if it is running.

        Raises:
            Exception: Whatever the application raises at shutdown.
        """
        task, self._task = self._task, None
        if task is None or task.get_loop().is_closed():
            return
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        await task

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        try:
            await self.app(scope, self._messages.get, self._send)
        except Exception:
            # By the protocol, one that raises before it sends a message does not support lifespan.
            if self._failed or self._startup_done.is_set():
                raise
        finally:
            self._startup_done.set()

    async def _send(self, message: Message) -> None:
        self._failed = message["type"].endswith(".failed")
        if message["type"] == "lifespan.startup.complete":
            self._startup_done.set()
