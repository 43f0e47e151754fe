"""How upserts run without hooks: as one statement, or in a transaction."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError

from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import RequestContext
from colonnade.writes import ChangeSet, DriverError, RowByRowError, TableWriter

T = TypeVar("T")

MAX_ATTEMPTS = 3
"""How often an upsert is tried: a second time, it finds the row that another request created. Only
if that one has been deleted in between can it lose again."""

_SAME_ROW_TWICE = "21000"
"""The SQLSTATE of PostgreSQL for two rows of a statement with the same key."""


async def run_upserts(
    context: RequestContext, table_context: ResourceContext, writer: TableWriter, changes: ChangeSet
) -> Sequence[Any]:
    """Execute upserts in the cheapest way that has all checks, and return the rows."""
    if len(changes.changes) == 1 and writer.upserts.is_single_statement(changes.changes[0]):
        statement = writer.upserts.statement(changes.changes[0].copy())
        row = await table_context.run(context, statement)
        if row is not None:
            return [row]
    elif len(changes.changes) > 1 and not writer.rows.renders_before_commit:
        rows = await _run_bulk(context, table_context, writer, changes)
        if rows is not None:
            return rows
    return await table_context.run(
        context, lambda connection: writer(connection, changes.copy()), begin=True
    )


async def _run_bulk(
    context: RequestContext, table_context: ResourceContext, writer: TableWriter, changes: ChangeSet
) -> list[Any] | None:
    """Execute upserts in one statement; None if they must be executed one by one."""
    bulk = writer.bulk(changes)
    if bulk is None:
        return None
    try:
        rows: list[Any] = await table_context.run(context, bulk, begin=True)
    except RowByRowError:
        return None
    except DBAPIError as error:
        # Keys that differ for Python and not for the database, such as those without case.
        if DriverError(error).state != _SAME_ROW_TWICE:
            raise
        return None
    return rows


async def retry_upserts(
    table_context: ResourceContext,
    changes: ChangeSet,
    execute: Callable[[], Awaitable[T]],
    *,
    hooked: bool,
) -> T:
    """Execute upserts, and repeat them if their failure does not count.

    On SQLite, the transaction looks each row up first, and excludes other writers.

    Args:
        table_context: The table.
        changes: The upserts.
        execute: Executes them.
        hooked: Whether they have hooks.
    """
    attempts = MAX_ATTEMPTS if table_context.backend == "postgresql" else 1
    for _ in range(attempts - 1):
        try:
            return await execute()
        except Problem as problem:
            # Another request created the row after the lookup.
            lost = problem.kind == "unique"
            # PostgreSQL checks the new row even if its values are not those that are stored.
            checked_new_row = _is_invalid_row(problem) and not hooked
            if not lost and not (checked_new_row and _look_up_all(changes)):
                raise
    return await execute()


def _look_up_all(changes: ChangeSet) -> bool:
    """Look all rows up before they are written; return whether that is new for one of them."""
    conflicts = [change.conflict for change in changes.changes if change.conflict is not None]
    is_new = not all(conflict.needs_lookup for conflict in conflicts)
    for conflict in conflicts:
        conflict.needs_lookup = True
    return is_new


def _is_invalid_row(problem: Problem) -> bool:
    """Whether the database refused the values of a row: a CHECK or NOT NULL constraint."""
    return problem.kind == "invalid" and isinstance(problem.__cause__, DBAPIError)
