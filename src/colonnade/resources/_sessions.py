"""Sessions of writes with hooks."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database
from colonnade.resources.routes._overrides import OverrideSession
from colonnade.writes import RunStatements

T = TypeVar("T")


async def in_session(
    db: Database,
    override: OverrideSession | None,
    work: Callable[[AsyncSession, RunStatements], Awaitable[T]],
    *,
    idempotent: bool = False,
) -> T:
    """Run a unit of work that calls hooks in a session.

    Args:
        db: The database.
        override: The session to use instead of a new one.
        work: Called with the session and a function that runs Core statements on it.
        idempotent: Whether running it twice has the same outcome as running it once.
    """

    async def unit(session: AsyncSession) -> T:
        async def on_connection(statements: Callable[[Connection], Any]) -> Any:
            connection = await session.connection()
            return await connection.run_sync(statements)

        return await work(session, on_connection)

    if override is not None:
        return await override.transaction(unit)
    # SQLite locks at the first write; rows that were read before may have changed by then.
    level: Literal["SERIALIZABLE"] | None = "SERIALIZABLE" if db.url.backend == "sqlite" else None
    return await db.transaction_async(unit, isolation_level=level, idempotent=idempotent)
