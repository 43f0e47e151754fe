"""Foreign keys that refer to missing rows, which SQLite does not name."""

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import RequestContext
from colonnade.writes import ForeignKeys, RejectedError, Values, referenced


async def name_foreign_key(
    context: RequestContext,
    table_context: ResourceContext,
    error: Exception,
    foreign_keys: ForeignKeys,
    rows: Callable[[], list[Values]],
) -> None:
    """Raise the problem that names a foreign key, if an error is about one and does not name it.

    Args:
        context: The context of the request.
        table_context: The table of the Resource.
        error: The error of the write.
        foreign_keys: The foreign keys of the written table.
        rows: Returns the values of each written row, its key included, by field.

    Raises:
        Problem: 409, with the fields of the foreign key.
    """
    if not isinstance(error, RejectedError) or error.kind != "foreign_key" or error.errors:
        return
    if not isinstance(error.__cause__, SQLAlchemyError):
        return  # raised by a hook
    missing = await table_context.run(
        context,
        lambda connection: foreign_keys.first_missing(connection, rows()),
        idempotent=True,
    )
    # No foreign key refers to a missing row, so other rows must refer to this one.
    raise Problem.of(missing or referenced(foreign_keys.shape, None, None)) from error
