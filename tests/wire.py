"""A proxy in front of PostgreSQL that counts round trips and statements."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit, urlunsplit

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
"""Requests before the startup message, which has no message type either:
https://www.postgresql.org/docs/current/protocol-message-formats.html"""


class ClientMessages:
    """Splits the data that a client sends into messages.

    Attributes:
        statements: The number of messages that run a statement.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._started = False
        self.statements = 0

    def feed(self, content: bytes) -> None:
        """Process received data."""
        self._rest += content
        while len(self._rest) >= 5:
            at = 1 if self._started else 0
            size = int.from_bytes(self._rest[at : at + 4], "big") + at
            if len(self._rest) < size:
                return
            message, self._rest = self._rest[:size], self._rest[size:]
            if self._started:
                self.statements += message[:1] in {b"Q", b"E"}  # Query, Execute
            else:
                code = int.from_bytes(message[4:8], "big")
                self._started = code not in {SSL_REQUEST, GSS_REQUEST}


class Wire:
    """A proxy between clients and a server.

    Args:
        url: The URL of the database.

    Attributes:
        trips: The number of round trips.
        statements: The number of statements.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._requesting = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.trips = 0
        self.statements = 0

    @property
    def url(self) -> str:
        """The URL of the database through the proxy."""
        user, port = self._parts.username, self._listener.getsockname()[1]
        location = f"{user}@127.0.0.1:{port}"
        return urlunsplit(self._parts._replace(netloc=location, query="sslmode=disable"))

    def start(self) -> None:
        """Accept connections."""
        self._run(self._accept)

    def stop(self) -> None:
        """Cut all connections."""
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join()
        for sock in (self._listener, *self._sockets):
            sock.close()

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                self._run(self._pass_on, client, server, True)
                self._run(self._pass_on, server, client, False)

    def _connect(self) -> socket.socket:
        directory = parse_qs(self._parts.query).get("host")
        if not directory:
            return socket.create_connection((self._parts.hostname, self._parts.port or 5432))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{directory[0]}/.s.PGSQL.5432")
        return server

    def _pass_on(self, source: socket.socket, target: socket.socket, is_request: bool) -> None:
        messages = ClientMessages()
        with suppress(OSError):
            while content := source.recv(1 << 16):
                # Several messages before a response are a single round trip.
                self.trips += is_request and not self._requesting
                self._requesting = is_request
                if is_request:
                    before = messages.statements
                    messages.feed(content)
                    self.statements += messages.statements - before
                target.sendall(content)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def wire(url: str) -> Iterator[Wire]:
    """Run a proxy in front of a database."""
    proxy = Wire(url)
    proxy.start()
    yield proxy
    proxy.stop()
