"""Transactions that conflict, and sessions whose transactions are rolled back."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from colonnade import AsyncSession, Database


@contextmanager
def conflict_once(db: Database, statement: str) -> Iterator[list[str]]:
    """Let the first statement that matches fail, as if its transaction had a conflict.

    The engines of the app must exist: they are created when a request first needs them.
    """
    loops = db._engines._loops.values()
    engines = [db.engine, *(loop.engine.sync_engine for loop in loops)]
    conflicts: list[str] = []

    def fail(*arguments: Any) -> None:
        if not conflicts and re.search(statement, arguments[2]):
            conflicts.append(arguments[2])
            cause: Any = Exception("could not serialize access")
            cause.sqlstate = "40001"
            raise DBAPIError("", None, cause)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", fail)
    try:
        yield conflicts
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", fail)


def rolled_back(db: Database) -> Callable[[], AsyncIterator[AsyncSession]]:
    """Build an override for ``db.get_async_session`` that rolls back what a request commits."""

    async def override() -> AsyncIterator[AsyncSession]:
        async with db.session() as outer:
            connection = await outer.connection()
            async with AsyncSession(connection, join_transaction_mode="create_savepoint") as inner:
                yield inner
            await outer.rollback()

    return override
