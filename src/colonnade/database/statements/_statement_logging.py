"""The log of statements: how long each took, and the plans of slow ones."""

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
    """What is logged of statements.

    Attributes:
        every: Whether every statement is logged, at INFO.
        slow: Seconds from which a statement is logged at WARNING; None for never.
        plans: Whether the plan of a slow one is logged too.
    """

    every: bool
    slow: float | None
    plans: bool

    def __bool__(self) -> bool:
        return self.every or self.slow is not None


def tell_statements(engine: Engine, telling: StatementLogging, url: DatabaseURL) -> None:
    """Have the statements of an engine told of in the log ``colonnade.statements``.

    Values are not: they may be secret.

    Args:
        engine: The engine, or the sync side of one.
        telling: What is logged.
        url: The database.
    """

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Connection, *_: Any) -> None:
        connection.info[_STARTED] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def end(
        connection: Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        many: bool,
    ) -> None:
        took = time.perf_counter() - connection.info.get(_STARTED, time.perf_counter())
        if connection.info.get(_EXPLAINING):
            return
        is_slow = telling.slow is not None and took >= telling.slow
        if not (is_slow or telling.every):
            return
        attributes: dict[str, Any] = {
            "statement": statement,
            "milliseconds": round(took * 1000, 3),
            "rows": cursor.rowcount,
            "database": str(url),
        }
        if is_slow and telling.plans and not many:
            attributes["plan"] = _plan(connection, statement, parameters)
        level = logging.WARNING if is_slow else logging.INFO
        plan = f"\n{attributes['plan']}" if attributes.get("plan") else ""
        one_line = " ".join(statement.split())
        logger.log(level, "%.1f ms: %s%s", took * 1000, one_line, plan, extra=attributes)


def _plan(connection: Connection, statement: str, parameters: Any) -> str | None:
    """What the database means to do for a statement; None if it does not say."""
    if statement.lstrip(" \n(").partition(" ")[0].partition("\n")[0].upper() not in _EXPLAINED:
        return None
    is_sqlite = connection.dialect.name == "sqlite"
    connection.info[_EXPLAINING] = True
    try:
        query = f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}"
        if is_sqlite or connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            rows = connection.exec_driver_sql(query, parameters).all()
        else:
            with connection.begin_nested():  # what fails is undone alone
                rows = connection.exec_driver_sql(query, parameters).all()
    except SQLAlchemyError:
        logger.debug("EXPLAIN failed", exc_info=True)
        return None
    finally:
        connection.info.pop(_EXPLAINING, None)
    return "\n".join(_redacted(str(row[-1])) for row in rows)


def _redacted(line: str) -> str:
    """A line of a plan without the values that PostgreSQL writes into its conditions."""
    without = _TEXTS.sub("'?'", line)
    label, separator, condition = without.partition(": (")
    return without if not separator else f"{label}{separator}{_NUMBERS.sub('?', condition)}"
