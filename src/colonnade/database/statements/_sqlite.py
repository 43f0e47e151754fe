"""How SQLite is made to behave as PostgreSQL does at READ COMMITTED.

Reads run outside a transaction and see what is committed; BEGIN IMMEDIATE comes before the
first write. A transaction that began with a read and then wrote would fail at once with
SQLITE_BUSY_SNAPSHOT whenever another connection had written in between, however long the busy
timeout: https://sqlite.org/rescode.html#busy_snapshot
"""

import math
import re
import sqlite3
import time
from base64 import b64encode
from datetime import UTC, datetime
from datetime import time as time_of_day
from functools import lru_cache
from typing import Any

from pydantic_core import from_json, to_json, to_jsonable_python
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError

from colonnade.database.statements._statement_limit import narrower

STEPS = 50_000
"""Steps of SQLite's machine between two looks at the time: about a millisecond."""

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another connection's write, as Python's own ``sqlite3`` does."""

LISTENERS = 1
"""Listeners of statements that ``begin_before_writes`` adds to an engine."""

_READS = frozenset(
    ("SELECT", "VALUES", "PRAGMA", "EXPLAIN", "ATTACH", "DETACH", "VACUUM", "BEGIN", "COMMIT",
     "END", "ROLLBACK", "RELEASE", "")
)  # fmt: skip
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]")
_WRITE_VERB = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


@lru_cache(maxsize=1024)
def is_write(statement: str) -> bool:
    """Whether a statement changes the database, or begins what will (SAVEPOINT)."""
    text = _COMMENT.sub(" ", statement).lstrip(" \t\r\n(;")
    match = re.match(r"[A-Za-z]*", text)
    verb = match[0].upper() if match else ""
    if verb == "WITH":
        return _WRITE_VERB.search(_QUOTED.sub(" ", text)) is not None
    return verb not in _READS


def _float_text(value: Any) -> str | None:
    """A number as JSON writes it: the shortest text that is this double."""
    if value is None or isinstance(value, str | bytes):
        return None if value is None else _stored_text(value)  # SQLite holds anything anywhere
    return repr(float(value)) if math.isfinite(value) else None


def _stored_text(value: Any) -> str:
    """A value as it is stored, as JSON: a number, a text, ``["00ff"]`` of bytes."""
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    return to_json([value.hex()] if isinstance(value, bytes) else value).decode()


def _timedelta_text(value: str | None) -> str | None:
    """A duration, which SQLAlchemy stores as a moment so long after 1970, as Pydantic writes it."""
    if value is None:
        return None
    return str(to_jsonable_python(datetime.fromisoformat(value) - _EPOCH))


_EPOCH = datetime(1970, 1, 1)


def _moment_of(value: Any) -> datetime:
    """A datetime that another program stored as ISO 8601 has it: with an offset, a ``T``.

    Raises:
        ValueError: It is not that, as an integer is not, which could count from any day.
    """
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - a value of the wrong form
    return datetime.fromisoformat(value)


def _utc_text(value: Any) -> str:
    """A moment as JSON has it: in UTC, which it is in where it does not tell an offset."""
    moment = _moment_of(value)
    utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return str(to_jsonable_python(utc))


def _moment_text(value: Any) -> str | None:
    """A moment as SQLAlchemy stores it, to compare it; None for what is not a moment."""
    try:
        moment = _moment_of(value)
        utc = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None
    return f"{utc.replace(tzinfo=None).isoformat(' ', 'microseconds')}"


def _base64_text(value: Any) -> str | None:
    if isinstance(value, str):
        value = value.encode()
    return None if value is None else b64encode(value).decode()


def _unreadable(value: Any) -> Any:
    if value is not None:
        raise ValueError(value)
    return None


def _contains(value: str | None, part: str) -> bool | None:
    """Whether a JSON value contains another one, as ``@>`` of PostgreSQL has it.

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
        return all(name in whole and _has_part(whole[name], value) for name, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return all(any(_has_part(other, value) for other in whole) for value in part)
    return bool(whole == part) and isinstance(whole, bool) == isinstance(part, bool)


FUNCTIONS: dict[str, Any] = {
    "colonnade_base64": _base64_text,
    "colonnade_contains": _contains,
    "colonnade_float": _float_text,
    "colonnade_local": lambda value: to_jsonable_python(_moment_of(value)),
    "colonnade_moment": _moment_text,
    "colonnade_stored": _stored_text,
    "colonnade_time": lambda value: to_jsonable_python(time_of_day.fromisoformat(value)),
    "colonnade_timedelta": _timedelta_text,
    "colonnade_unreadable": _unreadable,
    "colonnade_utc": _utc_text,
}
"""SQL functions that every connection has, for values that SQLite itself writes inexactly: its
``json_array`` is wrong for most doubles."""


class TimedCursor(sqlite3.Cursor):
    """A cursor of a connection that looks at the time."""

    connection: "FileConnection"

    def execute(self, *args: Any) -> Any:
        """Run a statement."""
        self.connection.start()
        return super().execute(*args)

    def executemany(self, *args: Any) -> Any:
        """Run a statement for each row of values."""
        self.connection.start()
        return super().executemany(*args)


class FileConnection(sqlite3.Connection):
    """A connection that is set up when it is opened: in one hop, where the driver has a thread.

    Args:
        limit: Seconds that a statement may take; None for no limit.
        args: Those of ``sqlite3.Connection``.
        kwargs: Those of ``sqlite3.Connection``.
    """

    def __init__(self, limit: float | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limit = limit
        self._narrow: float | None = None
        self._end = math.inf
        self._is_timed = False
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def narrow(self) -> None:
        """A statement begins, which keeps the limit of the code that calls."""
        self._narrow = narrower(self._limit)
        self.start()

    def cursor(self, factory: Any = None) -> Any:
        """A cursor, whose statements keep the limit."""
        return super().cursor(factory or TimedCursor)

    def start(self) -> None:
        """A statement begins: it has so long from now."""
        limit = self._narrow or self._limit
        if limit is None:
            self._end = math.inf
            return
        self._end = time.monotonic() + limit
        if not self._is_timed:
            # Not before there is a limit: Python's lock is taken for each call.
            self._is_timed = True
            self.set_progress_handler(self._is_over, STEPS)

    def _is_over(self) -> int:
        return time.monotonic() > self._end

    def _set_up(self) -> None:
        self.execute("PRAGMA foreign_keys=ON")
        self.execute("PRAGMA synchronous=NORMAL")
        self._use_log()
        self._add_functions()

    def _add_functions(self) -> None:
        for name, function in FUNCTIONS.items():
            arguments = function.__code__.co_argcount
            self.create_function(name, arguments, function, deterministic=True)

    def _use_log(self) -> None:
        """Write-ahead logging, unless the file is there already in it or cannot be written."""
        if self.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            return
        try:
            self.execute("PRAGMA journal_mode=WAL").fetchone()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise


class MemoryConnection(FileConnection):
    """One to a database in memory, which has no log and synchronises nothing."""

    def _set_up(self) -> None:
        self.execute("PRAGMA foreign_keys=ON")
        self._add_functions()


def begin_before_writes(engine: Engine) -> None:
    """Have an engine's connections begin a transaction before they write."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: object,
        context: Any,
        executemany: bool,
    ) -> None:
        _raw(connection).narrow()
        level = connection.get_execution_options().get("isolation_level")
        reads_only = connection.get_execution_options().get("sqlite_readonly")
        if reads_only and is_write(statement):
            refused = sqlite3.OperationalError("attempt to write a readonly database")
            raise OperationalError(statement, None, refused)
        if level == "AUTOCOMMIT":
            return
        if level != "SERIALIZABLE" and not (is_write(statement) or _locks(context)):
            return
        driver_connection: Any = connection.connection.driver_connection
        begins = statement.lstrip()[:5].upper() == "BEGIN"
        if not driver_connection.in_transaction and not begins:
            cursor.execute("BEGIN IMMEDIATE")


def _raw(connection: Connection) -> Any:
    """SQLite's own connection, which aiosqlite has in a thread."""
    driver_connection: Any = connection.connection.driver_connection
    return getattr(driver_connection, "_conn", driver_connection)


def _locks(context: Any) -> bool:
    """Whether a SELECT asks for locks: SQLite has one lock, and this takes it."""
    compiled = getattr(context, "compiled", None)
    return getattr(getattr(compiled, "statement", None), "_for_update_arg", None) is not None
