"""Serves an app from a thread, for a browser."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


class ServedStudio:
    """A running app.

    Attributes:
        url: Its URL.
    """

    def __init__(self, app: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the app did not start"
            self._thread.join(0.01)

    def stop(self) -> None:
        """Stop the app, as when its machine goes away."""
        if self._thread.is_alive():
            self._server.should_exit = True
            self._thread.join()
        self._listener.close()


@contextmanager
def served(app: Any) -> Iterator[ServedStudio]:
    """Serve an app."""
    server = ServedStudio(app)
    server.start()
    yield server
    server.stop()
