"""``OnLoopClose``: something that is closed with its event loop, whoever ends that."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

_waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, set[AsyncGenerator[None]]] = (
    WeakKeyDictionary()
)


class OnLoopClose:
    """Has something closed before the running event loop ends, if it is not closed before.

    An event loop closes the async generators that were started in it before it goes
    (``loop.shutdown_asyncgens``, which ``asyncio.run`` and every runner calls), so one that
    waits is closed in time.

    Args:
        close: Closes it.
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
        # Were it collected with its owner, the loop would close it halfway through its own end.
        _waiting.setdefault(asyncio.get_running_loop(), set()).add(self._generator)

    async def aclose(self) -> None:
        """Close it now."""
        await self._generator.aclose()
        _waiting[asyncio.get_running_loop()].discard(self._generator)
