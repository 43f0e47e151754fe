"""Run units of work in a session, commit them, and retry them where that may help."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database.connections._connector import require_open_connection
from colonnade.database.statements._open_sessions import note_committed
from colonnade.database.statements._retry import Attempts
from colonnade.database.statements._sessions import SessionContext
from colonnade.errors import DatabaseError

T = TypeVar("T")

IsolationLevel = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
"""The isolation level of a transaction. SQLite accepts only ``SERIALIZABLE``."""


def run_transaction(
    open_session: Callable[[], SessionContext],
    attempts: Attempts,
    work: Callable[[Session], T],
    isolation_level: IsolationLevel | None,
) -> T:
    """Implement ``Database.transaction``.

    Args:
        open_session: Opens the session of each attempt.
        attempts: Decides whether to retry after an error.
        work: The unit of work.
        isolation_level: The isolation level of the transaction; None for the default.
    """
    while True:
        try:
            with open_session() as session:
                attempts.watch(session)
                if isolation_level is not None:
                    session.connection(execution_options={"isolation_level": isolation_level})
                result = work(session)
                session.flush()
                require_open_connection(session.connection())
                attempts.committing = True
                session.commit()
                note_committed(session)
                return result
        except (SQLAlchemyError, DatabaseError) as error:
            pause = attempts.pause_after(error)
            if pause is None:
                raise
        time.sleep(pause)


async def run_transaction_async(
    open_session: Callable[[], SessionContext],
    attempts: Attempts,
    work: Callable[[AsyncSession], Awaitable[T]],
    isolation_level: IsolationLevel | None,
) -> T:
    """``run_transaction`` for async code."""
    while True:
        try:
            async with open_session() as session:
                attempts.watch(session.sync_session)
                if isolation_level is not None:
                    options = {"isolation_level": isolation_level}
                    await session.connection(execution_options=options)
                result = await work(session)
                await session.flush()
                await (await session.connection()).run_sync(require_open_connection)
                attempts.committing = True
                await session.commit()
                note_committed(session.sync_session)
                return result
        except (SQLAlchemyError, DatabaseError) as error:
            pause = attempts.pause_after(error)
            if pause is None:
                raise
        await asyncio.sleep(pause)
