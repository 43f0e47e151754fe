"""Rows that cannot be written in an answer: a problem that names the row and the column.

SQLite stores any value in any column, and PostgreSQL has values that Python has not (infinity).
The statement that writes an answer fails over such a value, without telling where it is. Only
then is it looked for, with statements over fewer columns and rows.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Select, select, tuple_, type_coerce
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from colonnade.database import Plan
from colonnade.query import Page, Scopes, compared_type, key_clause, key_parameters, stored_json
from colonnade.resources._table_context import TableContext
from colonnade.resources.answers._failures import Refusal
from colonnade.resources.answers._problems import Problem, field_error
from colonnade.resources.routes._request_context import RequestContext
from colonnade.rows import UnreadableRowError, View, json_array, json_array_agg

logger = logging.getLogger("colonnade.resources")

_SQLITE = (
    "malformed JSON",
    "JSON cannot hold BLOB",
    "user-defined function raised",
    "Could not decode to UTF-8",
)


FAILURES = (Problem, SQLAlchemyError, UnreadableRowError)
"""What is raised where an answer cannot be written, and elsewhere too."""

Rows = Callable[[], tuple[Select[Any], Mapping[str, Any]]]


async def name_unreadable(
    context: RequestContext,
    error: Exception,
    subject: TableContext,
    view: View,
    scopes: Scopes,
    rows: Rows,
) -> None:
    """Name the row and the column, if that is why an answer could not be written.

    Args:
        context: What the request's statements run with.
        error: One of ``FAILURES``.
        subject: What the statements are run on.
        view: How each row is shown.
        scopes: The scopes of the request.
        rows: Answers the rows, with all columns, and the parameters of that SELECT.

    Raises:
        Problem: 409, the database stores a value that is not of its column's type.
    """
    if not _is_about_values(error):
        return
    search = _Search(context, subject, view, scopes, *rows())
    problem = await search.problem(error if isinstance(error, UnreadableRowError) else None)
    if problem is not None:
        logger.error("Answered 409: %s", problem.detail)
        raise problem from error


def unwritable(error: UnreadableRowError) -> Problem:
    """The problem of a write that was rolled back because its response cannot be written."""
    logger.error("Answered 409: the answer cannot be written", exc_info=error)
    name = error.name or "the row"
    detail = f"The response cannot be written, so nothing was stored: {name}: {error.reason}"
    entry = field_error(("row",), error.name or "", "stored_value", detail)
    return Problem(409, detail, kind="unreadable", errors=[entry])


def rows_of_page(page: Page) -> tuple[Select[Any], dict[str, Any]]:
    """The rows of a page, and the parameters of that SELECT."""
    parameters = {**page.parameters(), "limit_": page.limit}
    return page.rows(), parameters | ({"offset_": page.offset} if page.offset else {})


def row_of_key(
    subject: TableContext, key: tuple[Any, ...], scopes: Scopes
) -> tuple[Select[Any], dict[str, Any]]:
    """The row of a key, if it can be reached, and the parameters of that SELECT."""
    shape = subject.shape
    source = shape.table.alias()
    parameters = key_parameters(key)
    reached = (key_clause(shape, source), *scopes.clauses(shape.table, source))
    return select(*source.c).where(*reached), parameters


def rows_of_keys(
    subject: TableContext, keys: Sequence[tuple[Any, ...]], scopes: Scopes
) -> tuple[Select[Any], dict[str, Any]]:
    """The rows of several keys, as ``row_of_key``."""
    shape = subject.shape
    source = shape.table.alias()
    columns = [
        type_coerce(source.c[column.column.key], compared_type(column))
        for column in shape.primary_key
    ]
    chosen = columns[0].in_([key[0] for key in keys])
    if len(columns) > 1:
        chosen = tuple_(*columns).in_(keys)
    reached = scopes.clauses(shape.table, source)
    statement = select(*source.c).where(chosen, *reached).order_by(*columns)
    return statement, {"limit_": len(keys)}


def _is_about_values(error: BaseException) -> bool:
    """Whether a statement failed because of a value, rather than a timeout or a missing table."""
    if isinstance(error, UnreadableRowError):
        return True
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    if not isinstance(cause, DBAPIError):
        return False
    message = str(cause.orig)
    return Refusal(cause).state.startswith("22") or any(fragment in message for fragment in _SQLITE)


class _Search:
    """Looks for the value that an answer fails over."""

    def __init__(
        self,
        context: RequestContext,
        subject: TableContext,
        view: View,
        scopes: Scopes,
        rows: Select[Any],
        parameters: Mapping[str, Any],
    ) -> None:
        self._context = context
        self._subject = subject
        self._view = view
        self._rows = rows
        self._scopes = scopes
        self._parameters = {**parameters, **dict(scopes.binds())}

    async def problem(self, known: UnreadableRowError | None) -> Problem | None:
        """The problem to answer with; None if every value can be read."""
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
            f"{what} of {model} {key} cannot be read: the database stores a value there that is not"
            f" of the column's type. Correct it, or leave the column or the row out of the request."
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
        """What an answer is made of, and the columns that its tag is."""
        texts: dict[str, Any] = {}
        if self._view.queryable.shape is self._subject.shape:
            columns = self._subject.shape.columns.values()
            texts = {column.name: stored_json(source.c[column.column.key]) for column in columns}
        return texts | self._view.texts(source, self._scopes, self._subject.backend)

    async def _row(self, name: str) -> int:
        """Which row it is, by halves."""
        low, high = 0, int(self._parameters.get("limit_", 1))
        while high - low > 1:
            middle = (low + high) // 2
            if await self._fails(name, low, middle - low):
                high = middle
            else:
                low = middle
        return low

    async def _fails(self, name: str, offset: int, limit: int | None) -> bool:
        source = self._part(offset, limit)
        backend = self._subject.backend
        text = self._texts(source)[name]
        texts = select(text.label("j")).select_from(source).subquery()
        try:
            await self._run(select(json_array_agg(texts.c.j, backend)))
        except (Problem, SQLAlchemyError) as error:
            return _is_about_values(error)
        return False

    async def _key(self, index: int) -> str:
        source = self._part(index, 1)
        columns = [stored_json(source.c[column.column.key]) for column in self._view.queryable.key]
        row = await self._run(select(json_array(columns, self._subject.backend).label("key")))
        parts = from_json(row[0][0]) if row else []
        return ",".join(str(part) for part in parts)

    def _part(self, offset: int, limit: int | None) -> Any:
        rows = self._rows.subquery()
        return rows if limit is None else select(rows).offset(offset).limit(limit).subquery()

    async def _run(self, statement: Select[Any]) -> Any:
        plan = Plan(statement, one_off=True)
        work = plan.bound(self._parameters, lambda rows: rows.all())
        return await self._subject.run(self._context, work, read_only=True)
