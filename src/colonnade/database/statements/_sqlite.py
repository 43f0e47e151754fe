"""Make SQLite behave as PostgreSQL does at READ COMMITTED.

Reads run outside a transaction and see committed data; BEGIN IMMEDIATE precedes the first write. A
transaction that reads before it writes would fail at once with SQLITE_BUSY_SNAPSHOT if another
connection wrote in between, whatever the busy timeout:
https://sqlite.org/rescode.html#busy_snapshot
"""

import math
import re
import sqlite3
import time
from base64 import b64encode
from datetime import UTC, datetime
from datetime import time as time_of_day
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any

from pydantic_core import from_json, to_json, to_jsonable_python
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from colonnade._time_buckets import start_text
from colonnade.database.statements._statement_limit import block_timeout

STEPS_BETWEEN_CHECKS = 50_000
"""Instructions of SQLite's virtual machine between two timeout checks: about a millisecond."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another connection's write lock, as in Python's ``sqlite3``."""

LISTENERS = 1
"""The number of statement listeners that ``begin_before_writes`` adds to an engine."""

_READS = frozenset(
    ("SELECT", "VALUES", "PRAGMA", "EXPLAIN", "ATTACH", "DETACH", "VACUUM", "BEGIN", "COMMIT",
     "END", "ROLLBACK", "RELEASE", "")
)  # fmt: skip
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]")
_WRITE_VERB = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE\s+INTO)\b", re.IGNORECASE)
"""Not the function ``replace()``."""


@lru_cache(maxsize=1024)
def is_write(statement: str) -> bool:
    """Whether a statement writes, or starts a block that may write (SAVEPOINT)."""
    text = _COMMENT.sub(" ", statement).lstrip(" \t\r\n(;")
    match = re.match(r"[A-Za-z]*", text)
    verb = match[0].upper() if match else ""
    if verb == "WITH":
        return _WRITE_VERB.search(_QUOTED.sub(" ", text)) is not None
    return verb not in _READS


def _float_text(value: Any) -> str | None:
    """Format a number for JSON, with the shortest text that gives the same double."""
    if value is None or isinstance(value, str | bytes):
        # Any column of SQLite may hold any type.
        return None if value is None else _stored_text(value)
    return repr(float(value)) if math.isfinite(value) else None


def _stored_text(value: Any) -> str:
    """Format a stored value as JSON: a number, a string, or ``["00ff"]`` for bytes."""
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return to_json([value.hex()] if isinstance(value, bytes) else value).decode()


def _timedelta_text(value: str | None) -> str | None:
    """Format a duration as Pydantic does; SQLAlchemy stores it as a datetime relative to 1970."""
    if value is None:
        return None
    return str(to_jsonable_python(datetime.fromisoformat(value) - _EPOCH))


_EPOCH = datetime(1970, 1, 1)


def _datetime_of(value: Any) -> datetime:
    """Parse a stored datetime in any ISO 8601 form, as other programs write it.

    Raises:
        ValueError: The value is not ISO 8601 text, for example an integer of unknown epoch.
    """
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - the value is invalid, not its type
    return datetime.fromisoformat(value)


def _utc_text(value: Any) -> str:
    """Format a stored datetime for JSON in UTC, which is assumed if it has no offset."""
    timestamp = _datetime_of(value)
    utc = timestamp.astimezone(UTC) if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)
    return str(to_jsonable_python(utc))


def _timestamp_text(value: Any) -> str | None:
    """Format a datetime as SQLAlchemy stores it, for comparison; None if it is invalid."""
    try:
        timestamp = _datetime_of(value)
        utc = timestamp.astimezone(UTC) if timestamp.tzinfo else timestamp
    except (ValueError, OverflowError):
        return None
    return f"{utc.replace(tzinfo=None).isoformat(' ', 'microseconds')}"


def _base64_text(value: Any) -> str | None:
    if isinstance(value, str):
        value = value.encode()
    return None if value is None else b64encode(value).decode()


def _exact_sum(high: int | None, low: int | None, places: int) -> int | str:
    """Add the sums of the upper and lower 32 bits of integers, or of decimals without a point.

    Returns:
        An integer, as text if SQLite cannot hold it; a decimal as text.
    """
    total = ((high or 0) << 32) + (low or 0)
    if places:
        return f"{Decimal(total).scaleb(-places, _EXACT):f}"
    return total if -(2**63) <= total < 2**63 else str(total)


def _exact_mean(high: int, low: int, count: int, places: int, mean_places: int) -> str | None:
    """Divide a sum of decimals: see ``_exact_sum``. Half is rounded away from zero."""
    if not count:
        return None
    total = Decimal((high << 32) + low).scaleb(mean_places - places, _EXACT)
    mean = Fraction(total) / count
    rounded = int(abs(mean) + Fraction(1, 2)) * (-1 if mean < 0 else 1)
    return f"{Decimal(rounded).scaleb(-mean_places, _EXACT):f}"


_EXACT = Context(prec=100)
"""No sum of a table has more digits."""


def _bucket(value: Any, unit: Any, zone: str) -> str | None:
    """Format the start of the time bucket of a stored datetime; None if it is invalid."""
    text = _timestamp_text(value)
    return None if text is None else start_text(text, unit, zone)


def _unreadable(value: Any) -> Any:
    if value is not None:
        raise ValueError(value)
    return None


def _contains(value: str | None, part: str) -> bool | None:
    """Whether a JSON value contains another one, as PostgreSQL's ``@>`` defines it.

    https://www.postgresql.org/docs/current/datatype-json.html#JSON-CONTAINMENT
    """
    if value is None:
        return None
    whole, sought = from_json(value), from_json(part)
    if isinstance(whole, list) and not isinstance(sought, list | dict):
        sought = [sought]
    return _has_part(whole, sought)


def _has_part(whole: Any, part: Any) -> bool:
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(
            name in whole and _has_part(whole[name], expected) for name, expected in part.items()
        )
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(_has_part(element, expected) for element in whole) for expected in part)
    return bool(whole == part) and isinstance(whole, bool) == isinstance(part, bool)


FUNCTIONS: dict[str, Any] = {
    "colonnade_base64": _base64_text,
    "colonnade_bucket": _bucket,
    "colonnade_contains": _contains,
    "colonnade_float": _float_text,
    "colonnade_local": lambda value: to_jsonable_python(_datetime_of(value)),
    "colonnade_mean": _exact_mean,
    "colonnade_moment": _timestamp_text,
    "colonnade_stored": _stored_text,
    "colonnade_sum": _exact_sum,
    "colonnade_time": lambda value: to_jsonable_python(time_of_day.fromisoformat(value)),
    "colonnade_timedelta": _timedelta_text,
    "colonnade_unreadable": _unreadable,
    "colonnade_utc": _utc_text,
}
"""SQL functions of every connection, for values that SQLite formats inexactly: its ``json_array``
is wrong for most doubles."""


class TimedCursor(sqlite3.Cursor):
    """A cursor whose statements observe the connection's timeout."""

    connection: "FileConnection"

    def execute(self, *args: Any) -> Any:
        """Execute a statement."""
        self.connection.start_timer()
        return super().execute(*args)

    def executemany(self, *args: Any) -> Any:
        """Execute a statement for each row of values."""
        self.connection.start_timer()
        return super().executemany(*args)


class FileConnection(sqlite3.Connection):
    """A connection that sets itself up as it opens, in one hop for a driver that uses a thread.

    Args:
        limit: Statement timeout in seconds; None for no limit.
        args: Positional arguments of ``sqlite3.Connection``.
        kwargs: Keyword arguments of ``sqlite3.Connection``.
    """

    def __init__(self, limit: float | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = limit
        self._block_timeout: float | None = None
        self._deadline = math.inf
        self._is_timed = False
        self._checks = 0
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def begin_statement(self) -> None:
        """Start the timer of a statement, with the timeout of the calling block."""
        self._block_timeout = block_timeout(self._limit)
        self.start_timer()

    def run_short_reads(self, max_steps: int, max_bytes: int) -> None:
        """Never wait for a lock from now on, and give up a statement that is not short.

        Args:
            max_steps: The instructions after which a statement is not short.
            max_bytes: The largest value that it may produce, in bytes.
        """
        self.execute("PRAGMA busy_timeout=0")
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_bytes)
        self._is_timed = True
        self.set_progress_handler(self._is_long, max_steps)

    def _is_long(self) -> bool:
        """Whether the statement was asked before: the first time, others may have taken steps."""
        self._checks += 1
        return self._checks > 1

    def cursor(self, factory: Any = None) -> Any:
        """Create a cursor whose statements observe the timeout."""
        return super().cursor(factory or TimedCursor)

    def start_timer(self) -> None:
        """Start the timer of a statement."""
        self._checks = 0
        limit = self._block_timeout or self._limit
        if limit is None:
            self._deadline = math.inf
            return
        self._deadline = time.monotonic() + limit
        if not self._is_timed:
            # Only when there is a limit: each call of the handler takes the GIL.
            self._is_timed = True
            self.set_progress_handler(self._is_overdue, STEPS_BETWEEN_CHECKS)

    def _is_overdue(self) -> int:
        return time.monotonic() > self._deadline

    def _set_up(self) -> None:
        self.execute("PRAGMA foreign_keys=ON")
        self.execute("PRAGMA synchronous=NORMAL")
        self._enable_wal()
        self._add_functions()

    def _add_functions(self) -> None:
        for name, function in FUNCTIONS.items():
            arguments = function.__code__.co_argcount
            self.create_function(name, arguments, function, deterministic=True)

    def _enable_wal(self) -> None:
        """Turn on write-ahead logging, unless it is on already or the file is read-only."""
        if self.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        try:
            self.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise


class MemoryConnection(FileConnection):
    """A connection to an in-memory database, which has no write-ahead log and never syncs."""

    def _set_up(self) -> None:
        self.execute("PRAGMA foreign_keys=ON")
        self._add_functions()


def begin_before_writes(engine: Engine) -> None:
    """Make an engine's connections begin a transaction before their first write."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: object,
        context: Any,
        executemany: bool,
    ) -> None:
        _sqlite_connection(connection).begin_statement()
        level = connection.get_execution_options().get("isolation_level")
        reads_only = connection.get_execution_options().get("sqlite_readonly")
        if reads_only and is_write(statement):
            error = sqlite3.OperationalError("attempt to write a readonly database")
            raise OperationalError(statement, None, error)
        if level == "AUTOCOMMIT":
            return
        if level != "SERIALIZABLE" and not (is_write(statement) or _locks(context)):
            return
        driver_connection: Any = connection.connection.driver_connection
        begins = statement.lstrip()[:5].upper() == "BEGIN"
        if not driver_connection.in_transaction and not begins:
            cursor.execute("BEGIN IMMEDIATE")


def _sqlite_connection(connection: Connection) -> Any:
    """Return the ``sqlite3`` connection, which aiosqlite wraps."""
    driver_connection: Any = connection.connection.driver_connection
    return getattr(driver_connection, "_conn", driver_connection)


def _locks(context: Any) -> bool:
    """Whether a SELECT is FOR UPDATE, for which SQLite takes its only lock."""
    compiled = getattr(context, "compiled", None)
    return getattr(getattr(compiled, "statement", None), "_for_update_arg", None) is not None
