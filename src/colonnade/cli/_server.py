"""Listening sockets and the HTTP server of the commands ``demo`` and ``serve``."""

import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from colonnade.errors import CommandError

BACKLOG = 2048
"""Connections that wait until the server accepts them, as uvicorn has by default."""


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket, so that a port in use is reported before anything else happens.

    It listens at once: a browser that opens the URL waits for the server instead of failing.

    Raises:
        CommandError: The port is in use, or the address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandError(
            f"Cannot listen on {host}:{port}: {error.strerror}. "
            f"Choose another port: --port {port + 1 if port < 65535 else 8000}"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def hosts_of(listener: socket.socket) -> list[str]:
    """The values of ``Host`` in requests to a listening socket on this machine."""
    host, port = listener.getsockname()[:2]
    names = dict.fromkeys((f"[{host}]" if ":" in host else host, "127.0.0.1", "localhost"))
    return [f"{name}:{port}" for name in names]


def serve(app: Any, listener: socket.socket) -> None:
    """Serve an app until the process is stopped."""
    import uvicorn

    config = uvicorn.Config(app, log_level="warning")
    # After its shutdown, uvicorn raises the signal again that stopped it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
