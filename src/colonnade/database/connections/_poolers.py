"""Detect a connection pooler in front of the server, unless the URL says whether there is one.

A pooler announces a process ID for cancel requests that differs from the one of the server process
that answers. In transaction mode each transaction may use another server process, so that neither
named prepared statements nor session settings can be relied on.
"""

import asyncio
import logging
import select
import time
from typing import Any

from sqlalchemy.util import await_only

from colonnade.database.connections._pooler_args import UNPREPARED, unnamed
from colonnade.database.connections._urls import DatabaseURL

logger = logging.getLogger("colonnade.database")


class Pooler:
    """Tracks whether a connection pooler in transaction mode sits in front of a server.

    Args:
        url: The database.

    Attributes:
        is_detected: Whether the URL names one, or a connection has shown one.
    """

    def __init__(self, url: DatabaseURL) -> None:
        self._url = url
        self._is_known = url.pooled or url.pooling_is_known
        self.is_detected = url.pooled

    def arguments(self, driver: str) -> dict[str, Any]:
        """Return driver arguments in addition to those of the URL."""
        was_detected = self.is_detected and not self._url.pooled
        return UNPREPARED[driver] if was_detected else {}

    def detect(self, dialect: Any, connection: Any, max_wait: float) -> None:
        """Check whether a newly opened connection goes through a pooler, unless that is known.

        Args:
            dialect: The connection's dialect.
            connection: The connection.
            max_wait: Seconds to wait for the server's answer.

        Raises:
            TimeoutError: The server did not answer in time.
        """
        if self._is_known:
            return
        if dialect.driver == "asyncpg":
            announced, actual = await_only(
                _backend_pids_of_asyncpg(connection._connection, max_wait)
            )
        else:
            announced, actual = _backend_pids_of_psycopg(connection, max_wait)
        if not self._is_known:
            self._is_known = True
            if announced != actual:
                self._mark_detected()

    def detect_from_error(self, error: Exception) -> bool:
        """Return whether a connection error reveals a pooler that was not known before.

        PgBouncer rejects startup parameters that it cannot track for each client.
        """
        if self._is_known or "unsupported startup parameter" not in str(error):
            return False
        self._is_known = True
        self._mark_detected()
        return True

    def _mark_detected(self) -> None:
        self.is_detected = True
        logger.info(
            "%s is behind a connection pooler, so named prepared statements are disabled. Add "
            "pool_mode=transaction to the URL to skip this check, or pool_mode=session if each "
            "client connection keeps one server connection.",
            self._url,
        )


async def _backend_pids_of_asyncpg(connection: Any, max_wait: float) -> tuple[int, int]:
    async with asyncio.timeout(max_wait):
        statement = await connection.prepare("SELECT pg_backend_pid()", name=unnamed())
        return connection.get_server_pid(), await statement.fetchval()


def _backend_pids_of_psycopg(connection: Any, max_wait: float) -> tuple[int, int]:
    """Query the process IDs through libpq's async API, since psycopg would wait indefinitely."""
    from psycopg import OperationalError, pq

    protocol, deadline = connection.pgconn, time.monotonic() + max_wait
    protocol.send_query(b"SELECT pg_backend_pid()")
    protocol.flush()
    answer = None
    while True:
        while protocol.is_busy():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([protocol.socket], [], [], left)[0]:
                raise TimeoutError("timeout expired")
            protocol.consume_input()
        result = protocol.get_result()
        if result is None:
            break
        answer = result
    if answer is None or answer.status != pq.ExecStatus.TUPLES_OK:
        raise OperationalError(protocol.get_error_message())
    return protocol.backend_pid, int(answer.get_value(0, 0) or 0)
