"""How SQLite is made to behave as PostgreSQL does at READ COMMITTED.

Reads run outside a transaction and see what is committed; BEGIN IMMEDIATE comes before the
first write. A transaction that began with a read and then wrote would fail at once with
SQLITE_BUSY_SNAPSHOT whenever another connection had written in between, however long the busy
timeout: https://sqlite.org/rescode.html#busy_snapshot
"""

import math
import re
import sqlite3
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic_core import to_json, to_jsonable_python
from sqlalchemy import Connection, Engine, event

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another connection's write, as Python's own ``sqlite3`` does."""

LISTENERS = 1
"""Listeners of statements that ``configure`` adds to an engine."""

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

FUNCTIONS: dict[str, Callable[[Any], str | None]] = {
    "colonnade_float": _float_text,
    "colonnade_stored": _stored_text,
    "colonnade_timedelta": _timedelta_text,
}
"""SQL functions that every connection has, for values that SQLite itself writes inexactly: its
``json_array`` is wrong for most doubles."""


def configure(engine: Engine, *, memory: bool) -> None:
    """Set each connection of an engine up, and have it begin before it writes.

    Args:
        engine: The engine, or the sync side of an async one.
        memory: Whether the database is in memory, which has no write-ahead log.
    """

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        try:
            # Before all else: switching to the log, too, may have to wait.
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA synchronous=NORMAL")
            if not memory:
                _use_log(cursor)
        finally:
            cursor.close()
        for name, function in FUNCTIONS.items():
            connection.create_function(name, 1, function, deterministic=True)

    @event.listens_for(engine, "before_cursor_execute")
    def begin(
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: object,
        context: Any,
        executemany: bool,
    ) -> None:
        level = connection.get_execution_options().get("isolation_level")
        if level == "AUTOCOMMIT":
            return
        if level != "SERIALIZABLE" and not (is_write(statement) or _locks(context)):
            return
        driver_connection: Any = connection.connection.driver_connection
        if not driver_connection.in_transaction:
            cursor.execute("BEGIN IMMEDIATE")


def _use_log(cursor: Any) -> None:
    """Write-ahead logging, unless the file is there already in it or cannot be written."""
    cursor.execute("PRAGMA journal_mode")
    if cursor.fetchone()[0] == "wal":
        return
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.fetchone()
    except sqlite3.OperationalError as error:
        if "readonly" not in str(error):
            raise


def _locks(context: Any) -> bool:
    """Whether a SELECT asks for locks: SQLite has one lock, and this takes it."""
    compiled = getattr(context, "compiled", None)
    return getattr(getattr(compiled, "statement", None), "_for_update_arg", None) is not None
