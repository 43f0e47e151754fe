"""Hooks: functions that run before and after a write, in its transaction."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import Database
from colonnade.resources.routes._overrides import OverrideSession

WriteKind = Literal["create", "update", "delete"]
Hook = Callable[..., Any]
HookT = TypeVar("HookT", bound=Hook)
T = TypeVar("T")
RunStatements = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


class Hooks:
    """The hooks of one Resource.

    A hook is called with a session in the write's transaction and one other argument:

    - before create and update: the values by field, which it may change;
    - before delete: the key of the row, as a tuple;
    - after create and update: the row, as an instance of the model;
    - after delete: the key of the row.

    A sync hook receives a ``Session``, an async hook an ``AsyncSession``. An exception rolls the
    write back.
    """

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, WriteKind], list[Hook]] = {}

    def add(self, when: Literal["before", "after"], operation: WriteKind, hook: Hook) -> None:
        """Register a hook; hooks run in the order of registration."""
        self._hooks.setdefault((when, operation), []).append(hook)

    def any(self, operation: WriteKind) -> bool:
        """Whether an operation has hooks."""
        return ("before", operation) in self._hooks or ("after", operation) in self._hooks

    def has(self, when: Literal["before", "after"], operation: WriteKind) -> bool:
        """Whether an operation has hooks before or after it."""
        return (when, operation) in self._hooks

    async def run(
        self,
        when: Literal["before", "after"],
        operation: WriteKind,
        session: AsyncSession,
        argument: Any,
    ) -> None:
        """Call the hooks one after another."""
        for hook in self._hooks.get((when, operation), []):
            if iscoroutinefunction(hook) or iscoroutinefunction(type(hook).__call__):
                await hook(session, argument)
                continue
            returned = await session.run_sync(lambda sync, hook=hook: hook(sync, argument))  # type: ignore[misc]  # mypy infers no lambda with a default
            if isinstance(returned, Awaitable):
                await returned


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
