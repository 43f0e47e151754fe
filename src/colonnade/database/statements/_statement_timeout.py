"""Statement timeouts on PostgreSQL: the server's own where it can be told, the driver's behind it.

On a direct connection the limit is one of its settings, for which no round trip is made. Behind a
pooler in transaction mode nothing can be set for longer than a transaction: there each transaction
sets its own, and asyncpg ends single statements by a cancel request.
"""

import asyncio
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from colonnade.database.connections._poolers import Pooler
from colonnade.database.statements._statement_limit import GRACE, milliseconds, narrower
from colonnade.errors import StatementTimeoutError


def stalled() -> StatementTimeoutError:
    """The error of a statement whose answer is not waited for any more."""
    return StatementTimeoutError("The server did not answer the statement in time.")


async def settle(connection: Any) -> None:
    """Wait until the server has been told to cancel what nobody waits for any more.

    asyncpg tells it in a task, on its own connection.

    Args:
        connection: The connection.
    """
    tasks = list(getattr(connection, "_cancellations", ()))
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)


def limited(driver: str, arguments: dict[str, Any], limit: float, pooler: Pooler) -> dict[str, Any]:
    """What a driver connects with so that no statement takes longer.

    Args:
        driver: ``psycopg`` or ``asyncpg``.
        arguments: What it connects with else.
        limit: Seconds.
        pooler: What is known of a pooler.
    """
    setting = "" if pooler.found else f"-c statement_timeout={milliseconds(limit)}"
    if driver == "psycopg":
        options = f"{arguments.get('options', '')} {setting}".strip()
        return {"options": options} if options else {}
    settings = dict(arguments.get("server_settings", {}))
    options = f"{settings.get('options', '')} {setting}".strip()
    if options:
        settings["options"] = options
    # Behind a pooler the driver's is the only one there is for single statements.
    client = limit if pooler.found else limit + GRACE
    requested = arguments.get("command_timeout")
    limits = {"command_timeout": client if requested is None else min(client, requested)}
    return {**limits, "server_settings": settings} if settings else limits


def limit_statements(engine: Engine, limit: float | None, pooler: Pooler) -> None:
    """Have transactions of an engine keep the limit that its connections have not.

    Args:
        engine: The engine, or the sync side of one.
        limit: Seconds; None for none.
        pooler: What is known of a pooler.
    """

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        here = narrower(limit) or (limit if pooler.found else None)
        level = connection.get_execution_options().get("isolation_level")
        if here is None or level == "AUTOCOMMIT":
            return
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds(here)}")


def translate_timeouts(engine: Engine) -> None:
    """Have the driver's own timeouts be errors of Colonnade's, and their connections closed.

    Args:
        engine: The engine, or the sync side of one.
    """

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        # asyncpg's own, which SQLAlchemy does not know: the connection may be in any state.
        if type(context.original_exception) is TimeoutError:
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False
            raise stalled() from context.original_exception
