"""Stored values that cannot be rendered: a problem names the row and the column.

SQLite stores any value in any column, and PostgreSQL has values that Python lacks (infinity). The
statement that renders a response fails on such a value without its location. Only then do further
statements search for it, over fewer columns and rows.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Select, select, tuple_, type_coerce
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from colonnade.database import Plan
from colonnade.query import Page, Scopes, compared_type, key_clause, key_parameters, stored_json
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import RequestContext
from colonnade.rows import UnreadableRowError, View, json_array, json_array_agg
from colonnade.writes import DriverError, RejectedError, field_error

logger = logging.getLogger("colonnade.resources")

_SQLITE = (
    "malformed JSON",
    "JSON cannot hold BLOB",
    "user-defined function raised",
    "Could not decode to UTF-8",
)
_OF_PARAMETER = "invalid input for query argument"
"""What asyncpg writes about a parameter that its type cannot hold."""

FAILURES = (RejectedError, SQLAlchemyError, UnreadableRowError)
"""The exceptions of a response that cannot be rendered; they have other causes as well."""

Rows = Callable[[], tuple[Select[Any], Mapping[str, Any]]]


async def name_unreadable(
    context: RequestContext,
    error: Exception,
    table_context: ResourceContext,
    view: View,
    scopes: Scopes,
    rows: Rows,
) -> None:
    """Raise a problem that names the row and the column, if an unreadable value caused an error.

    Args:
        context: The context of the request.
        error: One of ``FAILURES``.
        table_context: The table of the route.
        view: The fields and relations of each row.
        scopes: The scopes of the request.
        rows: Returns the SELECT of the rows with all columns, and its parameter values.

    Raises:
        Problem: 409, a stored value does not have the type of its column.
    """
    if not is_about_values(error):
        return
    search = _Search(context, table_context, view, scopes, *rows())
    problem = await search.problem(error if isinstance(error, UnreadableRowError) else None)
    if problem is not None:
        logger.error("Responded with 409: %s", problem.detail)
        raise problem from error


def unrenderable(error: UnreadableRowError) -> Problem:
    """Return the problem of a write that was rolled back because its row cannot be rendered."""
    logger.error("Responded with 409: cannot render the response", exc_info=error)
    name = error.name or "the row"
    detail = f"Nothing was stored, because the response cannot be rendered: {name}: {error.reason}"
    entry = field_error(("row",), error.name or "", "stored_value", detail)
    return Problem(409, detail, kind="unreadable", errors=[entry])


def rows_of_page(page: Page) -> tuple[Select[Any], dict[str, Any]]:
    """Return the SELECT of the rows of a page, and its parameter values."""
    parameters = {**page.parameters(), "limit_": page.limit}
    return page.rows(), parameters | ({"offset_": page.offset} if page.offset else {})


def row_of_key(
    table_context: ResourceContext, key: tuple[Any, ...], scopes: Scopes
) -> tuple[Select[Any], dict[str, Any]]:
    """Return the SELECT of the row with a key, and its parameter values."""
    shape = table_context.shape
    source = shape.table.alias()
    parameters = key_parameters(key)
    in_scope = (key_clause(shape, source), *scopes.clauses(shape.table, source))
    return select(*source.c).where(*in_scope), parameters


def rows_of_keys(
    table_context: ResourceContext, keys: Sequence[tuple[Any, ...]], scopes: Scopes
) -> tuple[Select[Any], dict[str, Any]]:
    """Return the SELECT of the rows with several keys, and its parameter values."""
    shape = table_context.shape
    source = shape.table.alias()
    columns = [
        type_coerce(source.c[column.column.key], compared_type(column))
        for column in shape.primary_key
    ]
    chosen = columns[0].in_([key[0] for key in keys])
    if len(columns) > 1:
        chosen = tuple_(*columns).in_(keys)
    in_scope = scopes.clauses(shape.table, source)
    statement = select(*source.c).where(chosen, *in_scope).order_by(*columns)
    return statement, {"limit_": len(keys)}


def is_about_values(error: BaseException) -> bool:
    """Whether a stored value made a statement fail, rather than a timeout or a parameter."""
    if isinstance(error, UnreadableRowError):
        return True
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    if not isinstance(cause, DBAPIError):
        return False
    message = str(cause.orig)
    if isinstance(cause.orig, OverflowError) or _OF_PARAMETER in message:
        return False
    return DriverError(cause).state.startswith("22") or any(text in message for text in _SQLITE)


class _Search:
    """A search for the value that makes a response fail."""

    def __init__(
        self,
        context: RequestContext,
        table_context: ResourceContext,
        view: View,
        scopes: Scopes,
        rows: Select[Any],
        parameters: Mapping[str, Any],
    ) -> None:
        self._context = context
        self._table_context = table_context
        self._view = view
        self._rows = rows
        self._scopes = scopes
        self._parameters = {**parameters, **dict(scopes.binds())}

    async def problem(self, known: UnreadableRowError | None) -> Problem | None:
        """Return the problem to respond with; None if every value can be read."""
        name, index = (None, None) if known is None else (known.name, known.index)
        if known is None:
            name = await self._column()
            if name is None:
                return None
            index = await self._row(name)
        key = await self._key(index or 0)
        model = self._view.queryable.shape.model.__name__
        what = name or "A value"
        detail = (
            f"{what} of {model} {key} cannot be read: the stored value does not have the type of "
            f"the column. Correct it, or leave the column or the row out of the request."
        )
        entry = field_error(("row", key), name or "", "stored_value", detail)
        return Problem(409, detail, kind="unreadable", errors=[entry])

    async def _column(self) -> str | None:
        source = self._rows.subquery()
        names = self._texts(source)
        for name in names:
            if await self._fails(name, 0, None):
                return name
        return None

    def _texts(self, source: Any) -> dict[str, Any]:
        """The expressions of a response, and the columns of its ETag."""
        texts: dict[str, Any] = {}
        if self._view.queryable.shape is self._table_context.shape:
            columns = self._table_context.shape.columns.values()
            texts = {column.name: stored_json(source.c[column.column.key]) for column in columns}
        return texts | self._view.texts(source, self._scopes, self._table_context.backend)

    async def _row(self, name: str) -> int:
        """Find the row by binary search."""
        low, high = 0, int(self._parameters.get("limit_", 1))
        while high - low > 1:
            middle = (low + high) // 2
            if await self._fails(name, low, middle - low):
                high = middle
            else:
                low = middle
        return low

    async def _fails(self, name: str, offset: int, limit: int | None) -> bool:
        source = self._slice(offset, limit)
        backend = self._table_context.backend
        text = self._texts(source)[name]
        texts = select(text.label("j")).select_from(source).subquery()
        try:
            await self._run(select(json_array_agg(texts.c.j, backend)))
        except (Problem, SQLAlchemyError) as error:
            return is_about_values(error)
        return False

    async def _key(self, index: int) -> str:
        source = self._slice(index, 1)
        columns = [stored_json(source.c[column.column.key]) for column in self._view.queryable.key]
        row = await self._run(select(json_array(columns, self._table_context.backend).label("key")))
        parts = from_json(row[0][0]) if row else []
        return ",".join(str(part) for part in parts)

    def _slice(self, offset: int, limit: int | None) -> Any:
        rows = self._rows.subquery()
        return rows if limit is None else select(rows).offset(offset).limit(limit).subquery()

    async def _run(self, statement: Select[Any]) -> Any:
        plan = Plan(statement, one_off=True)
        work = plan.bound(self._parameters, lambda rows: rows.all())
        return await self._table_context.run(self._context, work, read_only=True)
