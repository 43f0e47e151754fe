"""An application's lifespan, started and stopped in the event loop that it is used from.

The protocol: https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

import asyncio
from collections.abc import MutableMapping
from typing import Any, TypeAlias

from colonnade.errors import FixtureError

Message: TypeAlias = MutableMapping[str, Any]


class Lifespan:
    """An application that starts with its first request: an application itself.

    Args:
        app: The application.

    Attributes:
        app: The application.
        state: What its lifespan keeps for requests.
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
        """The event loop that it is started in; None if it is in none."""
        if self._task is None or self._task.get_loop().is_closed():
            return None
        return self._task.get_loop()

    async def start(self) -> None:
        """Start it, unless it is started.

        Raises:
            FixtureError: It is started in another event loop.
            Exception: What the application raised instead of starting.
        """
        loop = asyncio.get_running_loop()
        if self.loop is None:
            self._began = asyncio.Event()
            self._failed = False
            self._told: asyncio.Queue[Message] = asyncio.Queue()
            self._told.put_nowait({"type": "lifespan.startup"})
            self._task = loop.create_task(self._run(), name="lifespan")
        elif self.loop is not loop:
            raise FixtureError(
                "The app was started in another event loop than the one of this request. Run "
                "the test and its fixtures in one loop: set the same loop_scope for both "
                "(pytest-asyncio), or give anyio_backend their scope (anyio)."
            )
        await self._began.wait()
        if self._failed:
            await self.stop()

    async def stop(self) -> None:
        """Stop it, if it is started.

        Raises:
            Exception: What the application raised.
        """
        task, self._task = self._task, None
        if task is None or task.get_loop().is_closed():
            return
        self._told.put_nowait({"type": "lifespan.shutdown"})
        await task

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": self.state}
        try:
            await self.app(scope, self._told.get, self._hear)
        except Exception:
            # One that raises without having said a word knows no lifespan, says the protocol.
            if self._failed or self._began.is_set():
                raise
        finally:
            self._began.set()

    async def _hear(self, message: Message) -> None:
        self._failed = message["type"].endswith(".failed")
        if message["type"] == "lifespan.startup.complete":
            self._began.set()
