"""Whether a connection still leads anywhere, without asking the server."""

import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

KEEPALIVE_IDLE = 30
"""Seconds without traffic until TCP probes the other end. That is not a query: Neon, which
suspends a server that nobody asks anything for 5 minutes, does not count it."""

KEEPALIVE_INTERVAL = 10
"""Seconds between two such questions."""

KEEPALIVE_COUNT = 3
"""Questions without an answer after which the connection is given up."""

USER_TIMEOUT = 30
"""Seconds that what was sent may stay unacknowledged: https://datatracker.ietf.org/doc/html/rfc5482"""

RECYCLE = 280
"""Seconds after which a connection is opened anew rather than used again: less than the 5 minutes
after which Neon suspends, and poolers and firewalls forget who is silent."""

LIBPQ = {
    "keepalives_idle": KEEPALIVE_IDLE,
    "keepalives_interval": KEEPALIVE_INTERVAL,
    "keepalives_count": KEEPALIVE_COUNT,
    "tcp_user_timeout": USER_TIMEOUT * 1000,
}
"""The same for libpq, by its names."""

_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}


def keep_alive(transport: Any, options: Mapping[str, int]) -> None:
    """Have TCP look after a connection of asyncpg's, which asks for nothing itself.

    Args:
        transport: The connection's.
        asked: libpq's parameters; the defaults above for those that are not there.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if options.get("keepalives", 1) == 0:
        return
    with suppress(OSError):  # not every system has every option
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, option in _OPTIONS.items():
        with suppress(OSError, AttributeError):
            number = getattr(socket, option)
            sock.setsockopt(socket.IPPROTO_TCP, number, options.get(name, LIBPQ[name]))


def is_closed_asyncpg(connection: Any) -> bool:
    """Whether a connection of asyncpg's was closed, be it that the loop has not read it yet."""
    if connection.is_closed():
        return True
    sock = connection._transport.get_extra_info("socket")
    return sock is not None and _has_something_to_say(sock.fileno())


def is_closed_psycopg(connection: Any) -> bool:
    """Whether a connection of psycopg's was closed: it finds out only when it reads."""
    if connection.closed:
        return True
    if not _has_something_to_say(connection.fileno()):
        return False
    try:  # a notice, or the end
        connection.pgconn.consume_input()
    except Exception:
        return True
    return bool(connection.closed)


if hasattr(select, "poll"):

    def _has_something_to_say(number: int) -> bool:
        """Whether the server has said something unasked: mostly that it closes the connection."""
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

else:  # pragma: no cover - Windows

    def _has_something_to_say(number: int) -> bool:
        """Whether the server has said something unasked: mostly that it closes the connection."""
        return bool(select.select([number], [], [], 0)[0])
