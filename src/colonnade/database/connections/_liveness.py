"""Detect closed connections without a round trip to the server, and keep idle ones alive."""

import select
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

KEEPALIVE_IDLE = 30
"""Seconds of silence before TCP probes the other end. A probe is not a query, so it does not keep
Neon from suspending a server that has been idle for 5 minutes."""

KEEPALIVE_INTERVAL = 10
"""Seconds between two probes."""

KEEPALIVE_COUNT = 3
"""Unanswered probes after which the connection is closed."""

USER_TIMEOUT = 30
"""Seconds that sent data may stay unacknowledged: https://datatracker.ietf.org/doc/html/rfc5482"""

POOL_RECYCLE = 280
"""Seconds after which the pool replaces a connection: less than the 5 minutes after which Neon
suspends a server and poolers and firewalls drop idle connections."""

LIBPQ_KEEPALIVES = {
    "keepalives_idle": KEEPALIVE_IDLE,
    "keepalives_interval": KEEPALIVE_INTERVAL,
    "keepalives_count": KEEPALIVE_COUNT,
    "tcp_user_timeout": USER_TIMEOUT * 1000,
}
"""These settings as libpq parameters."""

_SOCKET_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}


def set_keepalives(transport: Any, parameters: Mapping[str, int]) -> None:
    """Turn on TCP keepalives for an asyncpg connection, as asyncpg does not do it.

    Args:
        transport: The connection's transport.
        parameters: libpq's keepalive parameters; missing ones have the defaults above.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    if parameters.get("keepalives", 1) == 0:
        return
    with suppress(OSError):  # not every platform has every option
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, option in _SOCKET_OPTIONS.items():
        with suppress(OSError, AttributeError):
            option_number = getattr(socket, option)
            sock.setsockopt(
                socket.IPPROTO_TCP, option_number, parameters.get(name, LIBPQ_KEEPALIVES[name])
            )


def is_closed_asyncpg(connection: Any) -> bool:
    """Whether an asyncpg connection was closed, even if the event loop has not noticed yet."""
    return closed_check_asyncpg(connection)()


def closed_check_asyncpg(connection: Any) -> Callable[[], bool]:
    """Return ``is_closed_asyncpg`` for one connection, for many calls.

    Args:
        connection: The asyncpg connection.
    """
    is_closed: Callable[[], bool] = connection.is_closed
    sock = connection._transport.get_extra_info("socket")
    if sock is None or is_closed():
        return is_closed
    has_unread_data = _unread_data_check(sock.fileno())
    return lambda: is_closed() or has_unread_data()


def is_closed_psycopg(connection: Any) -> bool:
    """Whether a psycopg connection was closed, which psycopg only notices when it reads."""
    if connection.closed:
        return True
    if not _unread_data_check(connection.fileno())():
        return False
    try:  # a notice, or the end of the connection
        connection.pgconn.consume_input()
    except Exception:
        return True
    return bool(connection.closed)


if hasattr(select, "poll"):

    def _unread_data_check(descriptor: int) -> Callable[[], bool]:
        """Say whether the server has sent something unasked: most likely that it is closing."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return lambda: bool(poll.poll(0))

else:  # pragma: no cover - Windows

    def _unread_data_check(descriptor: int) -> Callable[[], bool]:
        """Say whether the server has sent something unasked: most likely that it is closing."""
        return lambda: bool(select.select([descriptor], [], [], 0)[0])
