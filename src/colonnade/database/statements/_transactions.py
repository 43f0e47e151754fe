"""Units of work: a session, what is done in it, COMMIT; and again where that is asked for."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database.connections._connector import refuse_lost
from colonnade.database.statements._retry import Attempts
from colonnade.database.statements._sessions import SessionContext
from colonnade.errors import DatabaseError

T = TypeVar("T")

IsolationLevel = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]


def run_unit(
    open_session: Callable[[], SessionContext],
    attempts: Attempts,
    work: Callable[[Session], T],
    isolation_level: IsolationLevel | None,
) -> T:
    """``Database.transaction``.

    Args:
        open_session: Makes the session of each attempt.
        attempts: Whether another follows an error.
        work: What is done.
        isolation_level: The transaction's.
    """
    while True:
        try:
            with open_session() as session:
                attempts.watch(session)
                if isolation_level is not None:
                    session.connection(execution_options={"isolation_level": isolation_level})
                result = work(session)
                session.flush()
                refuse_lost(session.connection())
                attempts.committing = True
                session.commit()
                return result
        except (SQLAlchemyError, DatabaseError) as error:
            pause = attempts.pause_after(error)
            if pause is None:
                raise
        time.sleep(pause)


async def run_unit_async(
    open_session: Callable[[], SessionContext],
    attempts: Attempts,
    work: Callable[[AsyncSession], Awaitable[T]],
    isolation_level: IsolationLevel | None,
) -> T:
    """``run_unit`` for async code."""
    while True:
        try:
            async with open_session() as session:
                attempts.watch(session.sync_session)
                if isolation_level is not None:
                    options = {"isolation_level": isolation_level}
                    await session.connection(execution_options=options)
                result = await work(session)
                await session.flush()
                await (await session.connection()).run_sync(refuse_lost)
                attempts.committing = True
                await session.commit()
                return result
        except (SQLAlchemyError, DatabaseError) as error:
            pause = attempts.pause_after(error)
            if pause is None:
                raise
        await asyncio.sleep(pause)
