"""Foreign keys that refer to missing rows, which SQLite does not name."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import RequestContext
from colonnade.writes import ForeignKeys, Values, referenced

T = TypeVar("T")


async def name_foreign_key(
    context: RequestContext,
    table_context: ResourceContext,
    work: Awaitable[T],
    foreign_keys: ForeignKeys,
    rows: Callable[[], list[Values]],
) -> T:
    """Await ``work``; name the foreign key in a problem of SQLite, which does not name it.

    Args:
        context: The context of the request.
        table_context: The table of the Resource.
        work: The write.
        foreign_keys: The foreign keys of the written table.
        rows: Returns the values of each written row, its key included, by field.

    Raises:
        Problem: As ``work`` does; a 409 has the fields of the foreign key.
    """
    try:
        return await work
    except Problem as problem:
        if problem.kind != "foreign_key" or problem.errors:
            raise
        missing = await table_context.run(
            context,
            lambda connection: foreign_keys.first_missing(connection, rows()),
            idempotent=True,
        )
        # No foreign key refers to a missing row, so other rows must refer to this one.
        raise Problem.of(missing or referenced(foreign_keys.shape, None, None)) from problem
