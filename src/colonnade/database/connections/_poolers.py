"""Whether a pooler stands between here and the server: said by the URL, or asked of the server.

A pooler gives each client its own number to cancel by, which is not that of the process that
answers. Of one in transaction mode, whose every transaction may be another server process, nothing
prepared by name and nothing set for a session can be relied on.
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
    """What is known of a pooler before a server.

    Args:
        url: The database.

    Attributes:
        found: Whether there is one in transaction mode, as far as is known.
    """

    def __init__(self, url: DatabaseURL) -> None:
        self._url = url
        self._is_known = url.pooled or url.is_certain
        self.found = url.pooled

    def arguments(self, driver: str) -> dict[str, Any]:
        """The arguments of the driver beyond those of the URL."""
        learnt = self.found and not self._url.pooled
        return UNPREPARED[driver] if learnt else {}

    def look(self, dialect: Any, connection: Any, patience: float) -> None:
        """Find out whether there is one, by a connection that was just opened.

        Args:
            dialect: The connection's.
            connection: The connection.
            patience: Seconds in which the server has to answer.

        Raises:
            TimeoutError: It did not.
        """
        if self._is_known:
            return
        if dialect.driver == "asyncpg":
            reply, answers = await_only(_asked_of_asyncpg(connection._connection, patience))
        else:
            reply, answers = _asked_of_psycopg(connection, patience)
        if not self._is_known:
            self._is_known = True
            if reply != answers:
                self._note()

    def is_given_away(self, error: Exception) -> bool:
        """Whether an error at connecting shows a pooler of which nothing was known.

        PgBouncer takes only settings that it can keep for each client.
        """
        if self._is_known or "unsupported startup parameter" not in str(error):
            return False
        self._is_known = True
        self._note()
        return True

    def _note(self) -> None:
        self.found = True
        logger.info(
            "%s is behind a pooler, so statements are not prepared by name. Set "
            "pool_mode=transaction in the URL, or pool_mode=session if the pooler keeps a "
            "server connection for each client.",
            self._url,
        )


async def _asked_of_asyncpg(connection: Any, patience: float) -> tuple[int, int]:
    async with asyncio.timeout(patience):
        statement = await connection.prepare("SELECT pg_backend_pid()", name=unnamed())
        return connection.get_server_pid(), await statement.fetchval()


def _asked_of_psycopg(connection: Any, patience: float) -> tuple[int, int]:
    """The same of libpq, which would wait for ever."""
    from psycopg import OperationalError, pq

    protocol, end = connection.pgconn, time.monotonic() + patience
    protocol.send_query(b"SELECT pg_backend_pid()")
    protocol.flush()
    last = None
    while True:
        while protocol.is_busy():
            left = end - time.monotonic()
            if left <= 0 or not select.select([protocol.socket], [], [], left)[0]:
                raise TimeoutError("timeout expired")
            protocol.consume_input()
        result = protocol.get_result()
        if result is None:
            break
        last = result
    if last is None or last.status != pq.ExecStatus.TUPLES_OK:
        raise OperationalError(protocol.get_error_message())
    return protocol.backend_pid, int(last.get_value(0, 0) or 0)
