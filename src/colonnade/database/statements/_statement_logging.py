"""Log statements with their duration, and slow ones with their query plan."""

import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError

from colonnade.database.connections._urls import DatabaseURL

logger = logging.getLogger("colonnade.statements")

_EXPLAINED = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES"))
_TEXTS = re.compile(r"'(?:[^']|'')*'")
_NUMBERS = re.compile(r"(?<![\w.\"])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w\"])")
_STARTED = "colonnade_statement_started"
_EXPLAINING = "colonnade_explaining"


@dataclass(frozen=True, slots=True)
class StatementLogging:
    """Which statements are logged; see the arguments of ``Database``.

    Attributes:
        log_statements: Whether every statement is logged, at INFO.
        slow_statement: Seconds from which a statement is logged at WARNING; None for never.
        explain_slow: Whether a slow statement is logged with its query plan.
    """

    log_statements: bool
    slow_statement: float | None
    explain_slow: bool

    def __bool__(self) -> bool:
        return self.log_statements or self.slow_statement is not None


def log_statements(engine: Engine, options: StatementLogging, url: DatabaseURL) -> None:
    """Log an engine's statements to the logger ``colonnade.statements``.

    Their values are left out, since they may be secret.

    Args:
        engine: The engine, or the sync side of an async one.
        options: Which statements to log.
        url: The database.
    """

    @event.listens_for(engine, "before_cursor_execute")
    def start_timing(connection: Connection, *_: Any) -> None:
        connection.info[_STARTED] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def log(
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        seconds = time.perf_counter() - connection.info.get(_STARTED, time.perf_counter())
        if connection.info.get(_EXPLAINING):
            return
        is_slow = options.slow_statement is not None and seconds >= options.slow_statement
        if not (is_slow or options.log_statements):
            return
        fields: dict[str, Any] = {
            "statement": statement,
            "milliseconds": round(seconds * 1000, 3),
            "rows": cursor.rowcount,
            "database": str(url),
        }
        if is_slow and options.explain_slow and not executemany:
            fields["plan"] = _plan(connection, statement, parameters)
        level = logging.WARNING if is_slow else logging.INFO
        plan = f"\n{fields['plan']}" if fields.get("plan") else ""
        one_line = " ".join(statement.split())
        logger.log(level, "%.1f ms: %s%s", seconds * 1000, one_line, plan, extra=fields)


def _plan(connection: Connection, statement: str, parameters: Any) -> str | None:
    """Return the query plan of a statement; None if it cannot be explained."""
    if statement.lstrip(" \n(").partition(" ")[0].partition("\n")[0].upper() not in _EXPLAINED:
        return None
    is_sqlite = connection.dialect.name == "sqlite"
    connection.info[_EXPLAINING] = True
    try:
        explain = f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}"
        if is_sqlite or connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            rows = connection.exec_driver_sql(explain, parameters).all()
        else:
            with connection.begin_nested():  # a failure must not abort the transaction
                rows = connection.exec_driver_sql(explain, parameters).all()
    except SQLAlchemyError:
        logger.debug("EXPLAIN failed", exc_info=True)
        return None
    finally:
        connection.info.pop(_EXPLAINING, None)
    return "\n".join(_redacted(str(row[-1])) for row in rows)


def _redacted(line: str) -> str:
    """Return a line of a plan without the values that PostgreSQL writes into conditions."""
    without = _TEXTS.sub("'?'", line)
    label, separator, condition = without.partition(": (")
    return without if not separator else f"{label}{separator}{_NUMBERS.sub('?', condition)}"
