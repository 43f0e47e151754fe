"""Set up asyncpg connections: lazy connecting, keepalives, and exact dates.

asyncpg sends ``date.max`` and ``datetime.max`` as ``infinity``, and their minima as ``-infinity``.
9999-12-31, a common way to write "no end", would then be a different date for every other client.
"""

import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy import Engine, event

from colonnade.database.connections._liveness import set_keepalives
from colonnade.database.statements._error_kinds import is_stale_plan

EPOCH = datetime(2000, 1, 1)
"""The zero of PostgreSQL's dates: https://www.postgresql.org/docs/current/datatype-datetime.html"""

_DAY_ZERO = EPOCH.toordinal()
_SECOND = 1_000_000
_INFINITY = 2**63 - 1
_INFINITE_DAY = 2**31 - 1


class LazyConnection:
    """An awaitable that opens a connection only when it is awaited.

    SQLAlchemy's pool may need a connection where it cannot await one. For a coroutine, Python
    would then warn that it was never awaited.

    Args:
        arguments: The arguments of ``asyncpg.connect``.
    """

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def __await__(self) -> Generator[Any, None, Any]:
        connecting: Awaitable[Any] = import_module("asyncpg").connect(**self._arguments)
        return connecting.__await__()


def configure(engine: Engine, keepalives: Mapping[str, int]) -> None:
    """Set up each connection of an asyncpg engine: exact dates and TCP keepalives.

    Args:
        engine: The sync side of an async engine.
        keepalives: The URL's keepalive parameters, by libpq's names.
    """

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        set_keepalives(connection.driver_connection._transport, keepalives)
        connection.run_async(_set_codecs)

    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, parameters: Any, context: object) -> bool:
        """Execute a statement, and retry if its table was altered since it was prepared.

        Only the first statement of a transaction can be retried, since nothing was done before it.
        """
        connection = cursor._adapt_connection
        is_first = connection._transaction is None
        try:
            cursor.execute(statement, parameters)
        except engine.dialect.loaded_dbapi.Error as error:
            if not is_first or not is_stale_plan(error):
                raise
            connection.rollback()
            cursor._invalidate_schema_cache_asof = time.time()  # discards the prepared statements
            cursor.execute(statement, parameters)
        return True


async def fetch(connection: Any, sql: str, values: Sequence[Any], seconds: float | None) -> Any:
    """Do the same as ``Connection.fetch``, with fewer steps for a statement that is prepared.

    Args:
        connection: The asyncpg connection.
        sql: The statement.
        values: The values of its parameters.
        seconds: How long it may take; None for the limit of the connection.

    Returns:
        The rows.
    """
    protocol = connection._protocol
    prepared = connection._stmt_cache.get((sql, protocol.get_record_class(), False))
    if prepared is None or connection._query_loggers:
        return await connection.fetch(sql, *values, timeout=seconds)
    limit = protocol._get_timeout(seconds)
    try:
        return await protocol.bind_execute(prepared, values, "", 0, False, limit)
    except Exception as error:
        match type(error).__name__:
            case "InvalidCachedStatementError":  # not executed: asyncpg prepares it again
                return await connection.fetch(sql, *values, timeout=seconds)
            case "OutdatedSchemaCacheError":  # executed, and its result cannot be read
                await connection.reload_schema_state()
        raise


async def _set_codecs(connection: Any) -> None:
    for name, (encode, decode) in _CODECS.items():
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=encode, decoder=decode, format="tuple"
        )


def _days_of(value: date) -> tuple[int]:
    return (value.toordinal() - _DAY_ZERO,)


def _day_of(days: tuple[int]) -> date:
    if abs(days[0]) >= _INFINITE_DAY:
        return date.max if days[0] > 0 else date.min
    return date.fromordinal(days[0] + _DAY_ZERO)


def _codec(epoch: datetime) -> tuple[Callable[[Any], tuple[int]], Callable[[tuple[int]], datetime]]:
    """Return the codec of timestamps relative to ``epoch``, aware if it is."""

    def encode(value: date) -> tuple[int]:
        timestamp = value if isinstance(value, datetime) else datetime(*value.timetuple()[:3])
        if epoch.tzinfo is not None and timestamp.tzinfo is None:
            timestamp = timestamp.astimezone()
        elapsed = timestamp - epoch
        return ((elapsed.days * 86_400 + elapsed.seconds) * _SECOND + elapsed.microseconds,)

    def decode(microseconds: tuple[int]) -> datetime:
        if abs(microseconds[0]) >= _INFINITY:
            infinity = datetime.max if microseconds[0] > 0 else datetime.min
            return infinity.replace(tzinfo=epoch.tzinfo)
        return epoch + timedelta(microseconds=microseconds[0])

    return encode, decode


_CODECS: dict[str, tuple[Callable[[Any], tuple[int]], Callable[[tuple[int]], date]]] = {
    "date": (_days_of, _day_of),
    "timestamp": _codec(EPOCH),
    "timestamptz": _codec(EPOCH.replace(tzinfo=UTC)),
}
