"""A proxy that cuts, stalls or refuses connections, or drops responses."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Mode = Literal["pass", "refuse", "stall", "cut_requests", "cut_answers"]
"""What the proxy does: pass everything on; refuse new connections; stop passing anything on; pass
half of a request on and cut the connection; or pass a request on and cut before its response."""


class Proxy:
    """A proxy in front of a server, which runs in a thread.

    Args:
        port: The port of the server.

    Attributes:
        port: The port of the proxy.
        every: The modes that cut do so once in this number of messages.
        word: If not empty, those modes cut only at requests that contain it.
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
        """Accept connections."""
        self._thread.start()
        self._ready.wait(10)

    def stop(self) -> None:
        """Cut all connections and stop accepting new ones."""
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def is_passing(self) -> bool:
        """Whether the proxy passes everything on."""
        return self._mode == "pass"

    def set(self, mode: Mode, every: int = 1, word: bytes = b"", times: int | None = None) -> None:
        """Set the mode, permanently or for a number of cuts."""

        async def change() -> None:
            self._mode, self.every, self.word, self._left = mode, every, word, times
            if mode == "stall":
                self._passing.clear()
            else:
                self._passing.set()

        self._call(change)

    def cut(self) -> None:
        """Cut all connections."""

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
            # Tasks end when their connections do. Python 3.11 reports cancelled ones as errors.
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
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, server_writer}
        try:
            await asyncio.gather(
                self._pass(reader, server_writer, writer, is_request=True),
                self._pass(server_reader, writer, server_writer, is_request=False),
            )
        finally:
            self._open -= {writer, server_writer}
            for stream in (writer, server_writer):
                stream.transport.abort()

    async def _pass(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        other: asyncio.StreamWriter,
        *,
        is_request: bool,
    ) -> None:
        with suppress(OSError, ConnectionError):
            while content := await source.read(1 << 16):
                await self._passing.wait()
                if is_request and self.word and self.word in content:
                    self._marked.add(target)
                if self._is_cut("cut_requests" if is_request else "cut_answers", target, other):
                    if is_request:
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
    """Run a proxy in front of the server on a port."""
    proxy = Proxy(port)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
