"""The statements whose answer is JSON text."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
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
from colonnade.query import Page, Scopes, place_text, sort_value
from colonnade.rows._column_codecs import form_of
from colonnade.rows._views import View, array_of, joined_rows

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of rows in an answer: the largest row that a request stores, sixteen times."""


class Returned:
    """The row that an INSERT or UPDATE makes, for what it returns.

    A subquery in RETURNING names the columns of the row as they are: SQLAlchemy would put the
    table into the subquery's FROM, and it would be about every row.

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


def page_statement(page: Page, view: View, backend: Backend) -> Select[Any]:
    """The SELECT that answers a page.

    One row: ``body``, the JSON array, NULL if it would be larger than ``LARGEST_ANSWER``;
    ``found``, the rows there are up to one more than the page has; ``first`` and ``last``, the
    sort values of the page's outermost rows in the order they were selected, ``last`` only if the
    page is full; ``total``, with an exact count. Its parameters beside the page's own: ``limit_``
    and ``shown_``, one less.
    """
    make = _from_numbered if page.backwards else _from_kept
    columns = make(page, view, backend)
    if page.is_counted:
        columns.append(page.total().scalar_subquery().label("total"))
    return select(*columns)


def _from_numbered(page: Page, view: View, backend: Backend) -> list[Any]:
    """The columns of a page's statement, from rows that are numbered, and so can be turned."""
    rows = page.rows().subquery()
    number = func.row_number().over()
    shown: Any = _shown()
    numbered = select(
        view.text(rows, page.scopes, backend).label("j"),
        number.label("n"),
        case((number.in_([1, shown]), _place(page, rows, backend)), else_=None).label("c"),
    ).subquery()
    source: FromClause = numbered
    if page.backwards:
        turned = select(numbered).order_by(numbered.c.n.desc())
        source = turned.limit(bindparam("limit_", type_=BigInteger())).subquery()
    return [
        bounded(joined_rows(source.c.j, backend, only=source.c.n <= shown), backend).label("body"),
        func.count(source.c.n).label("found"),
        func.max(source.c.c).filter(source.c.n == 1).label("first"),
        func.max(source.c.c).filter(source.c.n == shown).label("last"),
    ]


def _from_kept(page: Page, view: View, backend: Backend) -> list[Any]:
    """The same, from rows that are kept aside, which costs less than to number them."""
    kept = page.rows().cte("colonnade_kept").prefix_with("MATERIALIZED")
    rows = select(kept).limit(_shown()).subquery()
    texts = select(view.text(rows, page.scopes, backend).label("j")).subquery()
    outermost = select(_place(page, kept, backend)).limit(1)
    return [
        _body(joined_rows(texts.c.j, backend), backend).label("body"),
        select(func.count()).select_from(kept).scalar_subquery().label("found"),
        outermost.scalar_subquery().label("first"),
        outermost.offset(_shown() - 1).scalar_subquery().label("last"),
    ]


def _body(text: ColumnElement[str], backend: Backend) -> ColumnElement[str]:
    """The text of all rows, made once however often it is looked at."""
    statement = select(text.label("body"))
    if backend == "postgresql":
        statement = select(bounded(statement.subquery().c.body, backend))
    return statement.scalar_subquery()


def bounded(text: ColumnElement[str], backend: Backend) -> ColumnElement[str]:
    """The text, or NULL where it is too large to be sent; SQLite's limit is its connection's."""
    if backend == "sqlite":
        return text
    return case((func.octet_length(text) <= literal_column(str(LARGEST_ANSWER)), text))


def size_statement(page: Page, view: View, backend: Backend) -> Select[Any]:
    """The SELECT of each row's ``key`` and ``size`` in bytes, in the order of a page.

    Its parameters are those of ``page_statement``.
    """
    kept = page.rows().cte("colonnade_kept").prefix_with("MATERIALIZED")
    rows = select(kept).limit(_shown()).subquery()
    text = view.text(rows, page.scopes, backend)
    size = (
        func.length(cast(text, LargeBinary())) if backend == "sqlite" else func.octet_length(text)
    )
    key = [form_of(column).of(column, rows, backend) for column in page.surface.shape.primary_key]
    return select(size.label("size"), array_of(key, backend).label("key")).select_from(rows)


def _shown() -> Any:
    return bindparam("shown_", type_=BigInteger())


def _place(page: Page, rows: Any, backend: Backend) -> ColumnElement[str]:
    """A row's place in the ordering, for a cursor."""
    texts = [place_text(sort_value(ordered.column, rows)) for ordered in page.ordering]
    return array_of(texts, backend)


def row_columns(
    view: View, source: Any, scopes: Scopes, backend: Backend, told_apart: Iterable[ColumnShape]
) -> list[ColumnElement[Any]]:
    """What is selected, or returned, of one row: its JSON as ``body``, and its ``state``.

    The state is what a tag tells one version of the row from another by: see ``told_apart``.

    Args:
        view: What the JSON has.
        source: What has the columns.
        scopes: The scopes of the request.
        backend: The database.
        told_apart: The columns of the state.
    """
    body = view.text(source, scopes, backend).label("body")
    return [body, state_text(told_apart, source, backend).label("state")]


def state_text(columns: Iterable[ColumnShape], source: Any, backend: Backend) -> ColumnElement[str]:
    """The JSON text of what differs between two versions of a row."""
    if backend == "sqlite":
        # Whatever a column holds, which need not be of its type.
        texts: Any = [place_text(source.c[column.column.key]) for column in columns]
    else:
        texts = [form_of(column).of(column, source, backend) for column in columns]
    return array_of(texts, backend)
