"""The settings of asyncpg: when to connect, and that Python's extreme dates stay dates.

asyncpg sends ``date.max`` and ``datetime.max`` as ``infinity``, and their minima as ``-infinity``.
9999-12-31, which people write for "no end", is then another date for everybody else.
"""

import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy import Engine, event

from colonnade.database.connections._liveness import keep_alive
from colonnade.database.statements._error_kinds import is_stale

EPOCH = datetime(2000, 1, 1)
"""What PostgreSQL counts from: https://www.postgresql.org/docs/current/datatype-datetime.html"""

_DAY_ZERO = EPOCH.toordinal()
_SECOND = 1_000_000
_INFINITY = 2**63 - 1
_INFINITE_DAY = 2**31 - 1


class Opening:
    """A connection that is opened when it is awaited, and nothing before.

    SQLAlchemy's pool finds out that it needs a connection where it may not be able to wait for
    one; of a coroutine Python would complain then that it was never awaited.

    Args:
        arguments: Those of ``asyncpg.connect``.
    """

    def __init__(self, **arguments: Any) -> None:
        self._arguments = arguments

    def __await__(self) -> Generator[Any, None, Any]:
        opening: Awaitable[Any] = import_module("asyncpg").connect(**self._arguments)
        return opening.__await__()


def configure(engine: Engine, keepalives: Mapping[str, int]) -> None:
    """Have each connection of an asyncpg engine send and read dates as they are, and stay alive.

    Args:
        engine: The sync side of an async engine.
        keepalives: What the URL says of TCP's, by libpq's names.
    """

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        keep_alive(connection.driver_connection._transport, keepalives)
        connection.run_async(_set_codecs)

    @event.listens_for(engine, "do_execute")
    def execute(cursor: Any, statement: str, parameters: Any, context: object) -> bool:
        """Run a statement, and again if its table was changed since it was prepared.

        A session cannot be run again, but for its first statement: nothing was done before it.
        """
        connection = cursor._adapt_connection
        is_first = connection._transaction is None
        try:
            cursor.execute(statement, parameters)
        except engine.dialect.loaded_dbapi.Error as error:
            if not is_first or not is_stale(error):
                raise
            connection.rollback()
            cursor._invalidate_schema_cache_asof = time.time()  # what is prepared is older
            cursor.execute(statement, parameters)
        return True


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
    """The codec of moments counted from ``epoch``, with its zone or without."""

    def encode(value: date) -> tuple[int]:
        moment = value if isinstance(value, datetime) else datetime(*value.timetuple()[:3])
        if epoch.tzinfo is not None and moment.tzinfo is None:
            moment = moment.astimezone()
        since = moment - epoch
        return ((since.days * 86_400 + since.seconds) * _SECOND + since.microseconds,)

    def decode(microseconds: tuple[int]) -> datetime:
        if abs(microseconds[0]) >= _INFINITY:
            beyond = datetime.max if microseconds[0] > 0 else datetime.min
            return beyond.replace(tzinfo=epoch.tzinfo)
        return epoch + timedelta(microseconds=microseconds[0])

    return encode, decode


_CODECS: dict[str, tuple[Callable[[Any], tuple[int]], Callable[[tuple[int]], date]]] = {
    "date": (_days_of, _day_of),
    "timestamp": _codec(EPOCH),
    "timestamptz": _codec(EPOCH.replace(tzinfo=UTC)),
}
