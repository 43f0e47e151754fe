"""Reading: pages, single rows, relations of a row, trees."""

import re
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Request, Response
from pydantic_core import from_json
from sqlalchemy import BigInteger, bindparam, cast, func, literal_column, select
from sqlalchemy import Table as SQLTable

from colonnade.backends import Backend
from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.models import RelationShape
from colonnade.query import (
    Page,
    PageReader,
    ParentRow,
    QueryableTable,
    Scopes,
    key_clause,
    key_ordering,
    key_parameters,
)
from colonnade.resources._plan_cache import Explain
from colonnade.resources._table_context import TableContext, rendered, rendered_rows
from colonnade.resources.answers._bodies import JSONBody
from colonnade.resources.answers._etags import is_unchanged
from colonnade.resources.answers._failures import TOO_LARGE, too_large
from colonnade.resources.answers._problems import Problem
from colonnade.resources.answers._unreadable import (
    FAILURES,
    name_unreadable,
    row_of_key,
    rows_of_page,
)
from colonnade.resources.routes._request_context import RequestContext, context_of
from colonnade.rows import (
    MAX_ANSWER_BYTES,
    View,
    json_array_agg,
    page_statement,
    row_columns,
    size_statement,
    within_size_limit,
)

DEEPEST_TREE = 100
"""Levels of a tree that one request reads at most."""

MOST_PARAMETERS = 500
"""Parameters of a query string; Python's own limit is none."""


LONGEST_PATH_KEPT = 200
"""Characters of a path that is remembered as it stands in URLs."""

_URL_SIGNS = "!$&'()*+,=:@/?%~-._[]"
_UNSAFE = re.compile(r"[^A-Za-z0-9" + re.escape(_URL_SIGNS) + "]")
"""What ends a URL in a Link header, or may be taken for its end: there, ``;`` too."""

_PLACE = re.compile(r"(?:(?<=&)|^)(?:cursor|offset)=[^&]*&?")


def query_of(request: Request, most: int = MOST_PARAMETERS) -> list[tuple[str, str]]:
    """The query string of a request, name by name.

    Args:
        request: The request.
        most: Parameters it may have.

    Raises:
        QueryError: It has more parameters than any request needs.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:
        return []
    try:
        return parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=most)
    except ValueError:
        message = f"A request can have at most {most} parameters"
        raise QueryError([error_entry("too_long", ("query",), message)]) from None


def path_of(request: Request) -> str:
    """The path that was asked, as clients have it, ready for a URL."""
    path = str(request.scope["path"])
    # What a proxy took away from the path it passes on: ``FastAPI(root_path="/api")``.
    root = str(request.scope.get("app_root_path", request.scope.get("root_path", "")))
    if not path.startswith(f"{root}/"):
        path = root + path
    return _quoted(path) if len(path) < LONGEST_PATH_KEPT else _quoted.__wrapped__(path)


@lru_cache(maxsize=1024)
def _quoted(path: str) -> str:
    return quote(path, safe="/@:!$&'()*+;=,~-._")


def url_of(request: Request) -> str:
    """What was asked: path and query string, as they were written."""
    raw: bytes = request.scope["query_string"]
    path = path_of(request)
    if not raw:
        return path
    query = raw.decode("latin-1")
    if _UNSAFE.search(query):  # which would end the URL in a Link header, or begin another
        query = quote(raw, safe=_URL_SIGNS)
    return f"{path}?{query}"


def asked_page(reader: PageReader, subject: TableContext, request: Request) -> Page:
    """The page that a request asks for.

    Raises:
        QueryError: Its query string is not valid.
        Problem: 403, the table's own scope refuses.
    """
    return reader.read(query_of(request), subject.scopes(request), url_of(request))


class Reads:
    """The reading operations of one subject.

    Args:
        subject: The table.
        max_limit: Rows in a page at most.
    """

    def __init__(self, subject: TableContext, max_limit: int) -> None:
        self.subject = subject
        self.reader = PageReader(subject.surface, max_limit=max_limit)
        self.row_reader = PageReader(
            subject.surface, options=frozenset(("fields", "include")), filters=False
        )
        self.tree_reader = PageReader(
            subject.surface,
            max_limit=max_limit,
            options=frozenset(("fields", "include", "limit", "offset")),
            filters=False,
        )

    async def page(self, context: RequestContext, page: Page) -> Response:
        """The answer to a page of the table."""
        view = self.subject.views.get(page.fields, page.include)
        return await answer_page(context, self.subject, page, view)

    async def row(self, request: Request, key: tuple[Any, ...]) -> Response:
        """One row; 304 if the client has it already."""
        context, subject = context_of(request), self.subject
        scopes = subject.scopes(request)
        page = self.row_reader.read(query_of(request), scopes)
        view = subject.views.get(page.fields, page.include)
        structure = ("row", view.fields, page.include, scopes.structure)
        plan = subject.plans.get(
            None if scopes.structure is None else structure, lambda: self._row_plan(view, scopes)
        )
        parameters = key_parameters(key)
        parameters.update(scopes.binds())
        try:
            record = await subject.run(context, plan.first(parameters), read_only=True)
            if record is None:
                raise subject.not_found()
            body = rendered(view, record.body)
        except FAILURES as error:
            row = partial(row_of_key, subject, key, scopes)
            await name_unreadable(context, error, subject, view, scopes, row)
            raise
        tag = subject.tags.of(record.state, body)
        if is_unchanged(request.headers.getlist("if-none-match"), tag):
            return Response(status_code=304, headers={"ETag": tag})
        return JSONBody(body, 200, {"ETag": tag})

    def _row_plan(self, view: View, scopes: Scopes) -> Plan:
        shape = self.subject.shape
        source = shape.table.alias()
        columns = row_columns(view, source, scopes, self.subject.backend, self.subject.told_apart)
        statement = select(*columns).where(
            key_clause(shape, source), *scopes.clauses(shape.table, source)
        )
        return Plan(statement, max_bytes=MAX_ANSWER_BYTES)

    async def tree(
        self, request: Request, key: tuple[Any, ...], relation: RelationShape, depth: int
    ) -> Response:
        """The rows below a row of a self-referential relation, parents first."""
        context, subject = context_of(request), self.subject
        scopes = subject.scopes(request)
        query = [(name, value) for name, value in query_of(request) if name != "depth"]
        page = self.tree_reader.read(query, scopes, url_of(request))
        view = subject.views.get(page.fields, page.include)
        within = ParentRow(subject.shape, relation, key)
        statement = _tree_statement(within, view, page, subject.backend)
        plan = Plan(statement, max_bytes=MAX_ANSWER_BYTES)
        parameters = {
            **page.parameters(),
            **within.parameters(),
            **_window(page),
            "offset_": page.offset,
            "depth_": depth,
        }
        try:
            row = await subject.run(context, plan.one(parameters), read_only=True)
            if not row.parent:
                raise subject.not_found()
            if row.body is None:
                raise too_large("This page")
            body = rendered_rows(view, row.body)
        except FAILURES as error:
            rows = _tree_rows(within, view, page), parameters
            await name_unreadable(context, error, subject, view, scopes, lambda: rows)
            raise
        return JSONBody(body, 200, _offset_links(page, row.found > page.limit))


async def answer_page(
    context: RequestContext, subject: TableContext, page: Page, view: View
) -> Response:
    """Answer with a page.

    Args:
        context: What the request's statements run with.
        subject: The table the route is about.
        page: What is asked, of this table or one of its relations.
        view: How each row is shown.
    """
    if page.count == "estimated" and subject.backend == "sqlite":
        page = replace(page, count="exact")  # its planner does not say how many it expects
    try:
        page, row = await _found(context, subject, page, view)
        if page.parent is not None and not row.parent:
            raise subject.not_found()
        body = rendered_rows(view, row.body)
    except FAILURES as error:
        rows = partial(rows_of_page, page)
        await name_unreadable(context, error, subject, view, page.scopes, rows)
        raise
    headers = _links(page, row)
    if page.is_counted:
        headers["X-Total-Count"] = str(row.total)
    elif page.count == "estimated":
        headers["X-Total-Count"] = str(await _estimate(context, subject, page))
    return JSONBody(body, 200, headers)


async def _found(
    context: RequestContext, subject: TableContext, page: Page, view: View
) -> tuple[Page, Any]:
    """What is found of a page, which is shorter than asked where its rows are too large."""
    structure = page.structure
    plan = subject.plans.get(
        None if structure is None else ("page", structure),
        lambda: _page_plan(page, view, subject.backend),
    )
    try:
        row = await subject.run(context, plan.one(_values(page)), read_only=True)
    except Problem as problem:
        if problem.kind != TOO_LARGE:
            raise
        row = None
    if row is not None and row.body is not None:
        return page, row
    page = replace(page, limit=await _rows_that_fit(context, subject, page, view))
    return page, await subject.run(context, plan.one(_values(page)), read_only=True)


async def _rows_that_fit(
    context: RequestContext, subject: TableContext, page: Page, view: View
) -> int:
    """How many rows of a page an answer has room for.

    Raises:
        Problem: Not for the first.
    """
    plan = Plan(size_statement(page, view, subject.backend), max_bytes=MAX_ANSWER_BYTES)
    rows = await subject.run(context, plan.bound(_values(page), list), read_only=True)
    size = 2  # the brackets
    count = 0
    for count, row in enumerate(rows):
        size += row.size + 1
        if size > MAX_ANSWER_BYTES:
            if count == 0:
                raise too_large(f"The {subject.name} {subject.keys.write(from_json(row.key))}")
            return count
    return count + 1


def _values(page: Page) -> dict[str, Any]:
    """The values of the parameters of a page's statement."""
    values = {**page.parameters(), **_window(page)}
    if page.offset:
        values["offset_"] = page.offset
    return values


def _page_plan(page: Page, view: View, backend: Backend) -> Plan:
    statement = page_statement(page, view, backend)
    if page.parent is not None:
        statement = statement.add_columns(page.parent.exists(page.scopes).label("parent"))
    return Plan(statement, one_off=page.filter.is_long, max_bytes=MAX_ANSWER_BYTES)


async def _estimate(context: RequestContext, subject: TableContext, page: Page) -> int:
    """How many rows PostgreSQL's planner expects."""
    explain, parameters = Plan(Explain(page.all_rows())), _values(page)
    output = await subject.run(
        context,
        lambda connection: explain.run(connection, parameters).scalar_one(),
        read_only=True,
    )
    plans = from_json(output) if isinstance(output, str) else output
    return int(plans[0]["Plan"]["Plan Rows"])


def _window(page: Page) -> dict[str, int]:
    return {"limit_": page.limit + 1, "shown_": page.limit}


def _links(page: Page, row: Any) -> dict[str, str]:
    """The Link header: by offset if that is how the client asks, by cursor otherwise."""
    more = row.found > page.limit
    if page.offset or not page.url:
        return _offset_links(page, more) if page.url else {}
    links: list[str] = []
    if not row.found:
        return {}
    if page.backwards:
        links.append(_link(page, "next", row.first, backwards=False))
        if more:
            links.append(_link(page, "prev", row.last, backwards=True))
    else:
        if more:
            links.append(_link(page, "next", row.last, backwards=False))
        if page.position is not None:
            links.append(_link(page, "prev", row.first, backwards=True))
    return {"Link": ", ".join(links)} if links else {}


def _link(page: Page, rel: str, values: str, *, backwards: bool) -> str:
    cursor = page.cursor(values, backwards=backwards)
    return f'<{_changed(page.url, {"cursor": cursor})}>; rel="{rel}"'


def _offset_links(page: Page, more: bool) -> dict[str, str]:
    links: list[str] = []
    if more:
        following = _changed(page.url, {"offset": str(page.offset + page.limit)})
        links.append(f'<{following}>; rel="next"')
    if page.offset:
        before = _changed(page.url, {"offset": str(max(0, page.offset - page.limit))})
        links.append(f'<{before}>; rel="prev"')
    return {"Link": ", ".join(links)} if links else {}


def _changed(url: str, values: dict[str, str]) -> str:
    path, _, query = url.partition("?")
    rest = _PLACE.sub("", query).strip("&")
    if "cursor" not in rest and "offset" not in rest:  # nor is there one in another writing
        return f"{path}?{rest}{'&' if rest else ''}{urlencode(values)}"
    parameters = parse_qsl(query, keep_blank_values=True)
    kept = [pair for pair in parameters if pair[0] not in {"cursor", "offset"}]
    return f"{path}?{urlencode([*kept, *values.items()])}"


def _tree_rows(within: ParentRow, view: View, page: Page) -> Any:
    """The SELECT of the rows below one, level by level."""
    shape = within.shape
    table: SQLTable = shape.table
    pairs = within.relation.pairs
    top = table.alias()
    parent = table.alias()
    level = cast(literal_column("1"), BigInteger()).label("level_")
    tree = (
        select(*top.c, level)
        .select_from(top, parent)
        .where(
            key_clause(shape, parent),
            *page.scopes.clauses(table, parent),
            *(top.c[there] == parent.c[here] for here, there in pairs),
            *page.scopes.clauses(table, top),
        )
        .cte("colonnade_tree", recursive=True)
    )
    below = table.alias()
    tree = tree.union_all(
        select(*below.c, tree.c.level_ + 1)
        .select_from(below, tree)
        .where(
            *(below.c[there] == tree.c[here] for here, there in pairs),
            tree.c.level_ < bindparam("depth_", type_=BigInteger()),
            *page.scopes.clauses(table, below),
        )
    )
    surface: QueryableTable = view.queryable
    return (
        select(tree)
        .order_by(tree.c.level_, *(ordered.expression(tree) for ordered in key_ordering(surface)))
        .limit(bindparam("limit_", type_=BigInteger()))
        .offset(bindparam("offset_", type_=BigInteger()))
    )


def _tree_statement(within: ParentRow, view: View, page: Page, backend: Backend) -> Any:
    """What answers a tree: ``body``, ``found`` and whether the row is ``parent``."""
    rows = _tree_rows(within, view, page).subquery()
    numbered = select(
        view.text(rows, page.scopes, backend).label("j"), func.row_number().over().label("n")
    ).subquery()
    shown = numbered.c.n <= bindparam("shown_", type_=BigInteger())
    return select(
        within_size_limit(json_array_agg(numbered.c.j, backend, only=shown), backend).label("body"),
        func.count().label("found"),
        within.exists(page.scopes).label("parent"),
    ).select_from(numbered)
