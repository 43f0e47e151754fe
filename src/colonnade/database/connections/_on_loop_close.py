"""``OnLoopClose``: close a resource together with its event loop."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, set[AsyncGenerator[None]]] = (
    WeakKeyDictionary()
)


class OnLoopClose:
    """Calls a function before the running event loop closes, unless ``aclose`` came first.

    Before an event loop closes, ``asyncio.run`` and other runners call ``loop.shutdown_asyncgens``,
    which closes every async generator that was started in it. A suspended generator is therefore
    notified in time.

    Args:
        close: The function to call.
    """

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        async def wait() -> AsyncGenerator[None]:
            try:
                yield
            finally:
                await close()

        self._generator = wait()
        with suppress(StopIteration):
            self._generator.__anext__().send(None)
        # A generator collected with its owner would be closed while the loop is shutting down.
        _waiting.setdefault(asyncio.get_running_loop(), set()).add(self._generator)

    async def aclose(self) -> None:
        """Close the resource now."""
        await self._generator.aclose()
        _waiting[asyncio.get_running_loop()].discard(self._generator)
