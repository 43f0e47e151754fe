"""A proxy that breaks connections: cut, stalled, refused, or robbed of their answers."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Mode = Literal["pass", "refuse", "stall", "cut_requests", "cut_answers"]
"""What happens to what goes through: nothing; no new connections; nothing arrives any more; half of
a request arrives and the connection ends; a request arrives, and the connection ends before its
answer."""


class Proxy:
    """A proxy before a server, in its own thread.

    Args:
        port: The server's.

    Attributes:
        port: Its own.
        every: In the modes that cut, the connection is cut at every so many messages.
        word: If not empty, those modes cut at requests that have it in them, and no others.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._mode: Mode = "pass"
        self._count = 0
        self._left: int | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._marked: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0
        self.every = 1
        self.word = b""

    def start(self) -> None:
        """Take connections."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """Cut every connection, and take no more."""
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def is_passing(self) -> bool:
        """Whether nothing is broken, or not any more."""
        return self._mode == "pass"

    def set(self, mode: Mode, every: int = 1, word: bytes = b"", times: int | None = None) -> None:
        """Break connections in this way from now on, or so many times."""

        async def change() -> None:
            self._mode, self.every, self.word, self._left = mode, every, word, times
            if mode == "stall":
                self._passing.clear()
            else:
                self._passing.set()

        self._call(change)

    def cut(self) -> None:
        """Cut every connection there is."""

        async def cut() -> None:
            for writer in list(self._open):
                writer.transport.abort()

        self._call(cut)

    def _call(self, work: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            await work()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _listen(self) -> None:
        self._passing.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if tasks:
            # Whose connections are gone ends; Python 3.11 complains of one that is cancelled.
            self._passing.set()
            _, left = await asyncio.wait(tasks, timeout=1)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "refuse":
            writer.transport.abort()
            return
        try:
            there, to = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to}
        try:
            await asyncio.gather(
                self._pass(reader, to, writer, asking=True),
                self._pass(there, writer, to, asking=False),
            )
        finally:
            self._open -= {writer, to}
            for stream in (writer, to):
                stream.transport.abort()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        *,
        asking: bool,
    ) -> None:
        with suppress(OSError, ConnectionError):
            while content := await source.read(1 << 16):
                await self._passing.wait()
                if asking and self.word and self.word in content:
                    self._marked.add(target)
                if self._is_cut("cut_requests" if asking else "cut_answers", target, other):
                    if asking:
                        target.write(content[: len(content) // 2])
                        await target.drain()
                    break
                target.write(content)
                await target.drain()
        for stream in (target, other):
            stream.transport.abort()

    def _is_cut(self, mode: Mode, *ends: asyncio.StreamWriter) -> bool:
        if self._mode != mode:
            return False
        if self.word:
            is_cut = bool(self._marked & {*ends})
        else:
            self._count += 1
            is_cut = self._count % self.every == 0
        if is_cut and self._left is not None:
            self._left -= 1
            if not self._left:
                self._mode = "pass"
        return is_cut


@contextmanager
def proxied(port: int) -> Iterator[Proxy]:
    """A proxy before the server on a port."""
    proxy = Proxy(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
