"""Statement timeouts on PostgreSQL: the server's timeout, and the driver's as a fallback.

On a direct connection, the timeout is a startup setting, which costs no round trip. Behind a pooler
in transaction mode a setting lasts only for a transaction. Each transaction therefore sets it, and
for single statements asyncpg sends a cancel request.
"""

import asyncio
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext

from colonnade.database.connections._poolers import Pooler
from colonnade.database.statements._statement_limit import GRACE, block_timeout, milliseconds
from colonnade.errors import StatementTimeoutError


def no_answer_error() -> StatementTimeoutError:
    """Return the error of a statement that the server did not answer in time."""
    return StatementTimeoutError(
        "The server did not answer the statement within its timeout. The connection was closed."
    )


async def wait_for_cancellation(connection: Any) -> None:
    """Wait until the cancel request of an abandoned statement has been sent.

    asyncpg sends it in a separate task, on a separate connection.

    Args:
        connection: The asyncpg connection.
    """
    tasks = list(getattr(connection, "_cancellations", ()))
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)


def timeout_arguments(
    driver: str, arguments: dict[str, Any], limit: float, pooler: Pooler
) -> dict[str, Any]:
    """Return the connect arguments that set a statement timeout.

    Args:
        driver: ``psycopg`` or ``asyncpg``.
        arguments: The other connect arguments.
        limit: The timeout in seconds.
        pooler: Whether there is a pooler, through which the server takes no settings.
    """
    setting = "" if pooler.is_detected else f"-c statement_timeout={milliseconds(limit)}"
    if driver == "psycopg":
        options = f"{arguments.get('options', '')} {setting}".strip()
        return {"options": options} if options else {}
    settings = dict(arguments.get("server_settings", {}))
    options = f"{settings.get('options', '')} {setting}".strip()
    if options:
        settings["options"] = options
    # Behind a pooler, single statements have only the driver's timeout.
    command_timeout = limit if pooler.is_detected else limit + GRACE
    configured = arguments.get("command_timeout")
    if configured is not None:
        command_timeout = min(command_timeout, configured)
    server_settings = {"server_settings": settings} if settings else {}
    return {"command_timeout": command_timeout, **server_settings}


def limit_statements(engine: Engine, limit: float | None, pooler: Pooler) -> None:
    """Set the statement timeout in each transaction for which the connection does not have it.

    Args:
        engine: The engine, or the sync side of an async one.
        limit: The Database's timeout in seconds; None for no limit.
        pooler: Whether there is a pooler, behind which connections have no settings.
    """

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        timeout = block_timeout(limit) or (limit if pooler.is_detected else None)
        level = connection.get_execution_options().get("isolation_level")
        if timeout is None or level == "AUTOCOMMIT":
            return
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds(timeout)}")


def translate_timeouts(engine: Engine) -> None:
    """Translate the driver's timeouts into ``StatementTimeoutError`` and close their connections.

    Args:
        engine: The engine, or the sync side of an async one.
    """

    @event.listens_for(engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        # asyncpg raises it directly, and leaves the connection in an unknown state.
        if type(context.original_exception) is TimeoutError:
            context.is_disconnect = True
            context.invalidate_pool_on_disconnect = False
            raise no_answer_error() from context.original_exception
