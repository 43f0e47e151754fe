"""SELECT statements that return JSON text."""

from collections.abc import Iterable
from typing import Any, Protocol

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)

from colonnade.backends import Backend
from colonnade.models import ColumnShape
from colonnade.query import Page, Scopes, stored_json
from colonnade.rows._column_codecs import codec_of
from colonnade.rows._json_sql import json_array, json_array_agg
from colonnade.rows._views import View

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""The maximum size of the rows in a response: 16 times the largest row that a request can store."""


class RowView(Protocol):
    """What writes the rows of a page as JSON."""

    def text(self, source: Any, scopes: Scopes, backend: Backend) -> ColumnElement[str]:
        """The SQL expression of a row as a JSON object."""


class ReturnedRow:
    """The row that an INSERT or UPDATE writes, as the source of its RETURNING clause.

    The columns are literal SQL. With ordinary columns, SQLAlchemy would add the table to the FROM
    clause of a subquery in RETURNING, which would then select every row.

    Attributes:
        c: The columns, by key.
    """

    def __init__(self, table: Table) -> None:
        name = _quoted(table.name)
        self.c: dict[str, ColumnElement[Any]] = {
            column.key: literal_column(f"{name}.{_quoted(column.name)}", column.type)
            for column in table.columns
        }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def page_statement(page: Page, view: RowView, backend: Backend) -> Select[Any]:
    """The SELECT that answers a page.

    It returns one row:

    - ``body``: the JSON array; NULL if it is larger than ``MAX_ANSWER_BYTES``.
    - ``found``: the number of rows found, at most one more than fits the page.
    - ``first``, ``last``: the sort values of the page's first and last row in the order of
      selection; ``last`` is set only if the page is full.
    - ``total``: the number of all rows, if the page is counted.

    Besides the page's own parameters it has ``limit_`` and ``shown_``, which is one less.
    """
    build = _numbered_columns if page.backwards else _materialized_columns
    columns = build(page, view, backend)
    if page.is_counted:
        columns.append(page.total().scalar_subquery().label("total"))
    return select(*columns)


def _numbered_columns(page: Page, view: RowView, backend: Backend) -> list[Any]:
    """The columns of a page's statement, from numbered rows, which can be reversed."""
    rows = page.rows(in_ranges=backend == "sqlite").subquery()
    number = func.row_number().over()
    shown: Any = _shown_limit()
    numbered = select(
        view.text(rows, page.scopes, backend).label("j"),
        number.label("n"),
        case((number.in_([1, shown]), _position(page, rows, backend)), else_=None).label("c"),
    ).subquery()
    source: FromClause = numbered
    if page.backwards:
        reversed_rows = select(numbered).order_by(numbered.c.n.desc())
        source = reversed_rows.limit(bindparam("limit_", type_=BigInteger())).subquery()
    return [
        within_size_limit(
            json_array_agg(source.c.j, backend, only=source.c.n <= shown), backend
        ).label("body"),
        func.count(source.c.n).label("found"),
        func.max(source.c.c).filter(source.c.n == 1).label("first"),
        func.max(source.c.c).filter(source.c.n == shown).label("last"),
    ]


def _materialized_columns(page: Page, view: RowView, backend: Backend) -> list[Any]:
    """The columns of a page's statement, from a materialized CTE: faster than numbered rows."""
    selected = _kept(page, backend)
    rows = select(selected).limit(_shown_limit()).subquery()
    texts = select(view.text(rows, page.scopes, backend).label("j")).subquery()
    outermost = select(_position(page, selected, backend)).limit(1)
    return [
        _computed_once(json_array_agg(texts.c.j, backend), backend).label("body"),
        select(func.count()).select_from(selected).scalar_subquery().label("found"),
        outermost.scalar_subquery().label("first"),
        outermost.offset(_shown_limit() - 1).scalar_subquery().label("last"),
    ]


def _kept(page: Page, backend: Backend) -> CTE:
    """The rows of a page, selected once."""
    rows = page.rows(in_ranges=backend == "sqlite")
    if backend == "sqlite" and len(page.ordering) > len(page.queryable.shape.primary_key):
        # To sort rows for a CTE, SQLite reads all their columns; for a subquery that is not
        # merged with it, only those of the rows that it keeps.
        rows = select(rows.subquery()).limit(literal_column("-1"))
    return rows.cte("colonnade_kept").prefix_with("MATERIALIZED")


def _computed_once(text: ColumnElement[str], backend: Backend) -> ColumnElement[str]:
    """A text that is computed once, even if it is used twice."""
    statement = select(text.label("body"))
    if backend == "postgresql":
        statement = select(within_size_limit(statement.subquery().c.body, backend))
    return statement.scalar_subquery()


def within_size_limit(text: ColumnElement[str], backend: Backend) -> ColumnElement[str]:
    """The text, or NULL if it is too large to send; on SQLite the connection has a limit."""
    if backend == "sqlite":
        return text
    return case((func.octet_length(text) <= literal_column(str(MAX_ANSWER_BYTES)), text))


def size_statement(page: Page, view: View, backend: Backend) -> Select[Any]:
    """The SELECT of each row's ``key`` and ``size`` in bytes, in the order of the page.

    It has the same parameters as ``page_statement``.
    """
    selected = _kept(page, backend)
    rows = select(selected).limit(_shown_limit()).subquery()
    text = view.text(rows, page.scopes, backend)
    size = (
        func.length(cast(text, LargeBinary())) if backend == "sqlite" else func.octet_length(text)
    )
    key = [
        codec_of(column).json_text(column, rows, backend)
        for column in page.queryable.shape.primary_key
    ]
    return select(size.label("size"), json_array(key, backend).label("key")).select_from(rows)


def _shown_limit() -> Any:
    return bindparam("shown_", type_=BigInteger())


def _position(page: Page, rows: Any, backend: Backend) -> ColumnElement[str]:
    """The sort values of a row as JSON, for a cursor."""
    texts = [stored_json(value) for value in page.sort_values(rows)]
    return json_array(texts, backend)


def row_columns(
    view: View, source: Any, scopes: Scopes, backend: Backend, state_columns: Iterable[ColumnShape]
) -> list[ColumnElement[Any]]:
    """The columns to select or return for one row: its JSON as ``body``, and its ``state``.

    An ETag is made from the state, which differs between versions of the row.

    Args:
        view: The fields and relations in the JSON.
        source: The row.
        scopes: The scopes of the request.
        backend: The database.
        state_columns: The columns of the state.
    """
    body = view.text(source, scopes, backend).label("body")
    return [body, state_text(state_columns, source, backend).label("state")]


def state_text(columns: Iterable[ColumnShape], source: Any, backend: Backend) -> ColumnElement[str]:
    """The JSON text of the columns that distinguish versions of a row."""
    if backend == "sqlite":
        # A column may hold values of another type.
        texts: Any = [stored_json(source.c[column.column.key]) for column in columns]
    else:
        texts = [codec_of(column).json_text(column, source, backend) for column in columns]
    return json_array(texts, backend)
