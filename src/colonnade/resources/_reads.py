"""Read operations: pages, single rows, relations of a row, trees."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import Request, Response
from pydantic_core import from_json
from sqlalchemy import CTE, BigInteger, Select, bindparam, cast, func, literal_column, select
from sqlalchemy import Table as SQLTable

from colonnade.backends import Backend
from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.models import RelationShape
from colonnade.query import (
    NO_SCOPES,
    AliasedQuery,
    Page,
    PageReader,
    ParentRow,
    RowSource,
    Scopes,
    key_clause,
    key_ordering,
    key_parameters,
    named_tables,
    tables_of,
)
from colonnade.resources._explain import Explain, Explanation, explain
from colonnade.resources._fastapi_compat import declared_query_names
from colonnade.resources._page_links import Neighbors, offset_links, page_cursors, page_links
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.contract._contract import Contract
from colonnade.resources.responses._bodies import JSONBody
from colonnade.resources.responses._pages import page_response
from colonnade.resources.responses._problems import Problem
from colonnade.resources.responses._unreadable import (
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
from colonnade.writes import TOO_LARGE, is_unchanged, render_row, render_rows, too_large

MAX_TREE_DEPTH = 100
"""Maximum number of levels of a tree in one response."""

MAX_PARAMETERS = 500
"""Maximum number of query parameters; ``urllib`` has no limit by default."""


MAX_CACHED_PATH = 200
"""Longest path, in characters, whose quoted form is cached."""

_URL_SIGNS = "!$&'()*+,=:@/?%~-._[]"
_HOST_SIGNS = "!$&'()*+,=:@%~-._[]"
_UNSAFE = re.compile(r"[^A-Za-z0-9" + re.escape(_URL_SIGNS) + "]")
"""Characters that must be quoted in a Link header; a ``;`` could be read as the end of the URL."""


def query_of(
    request: Request, knows: Callable[[str], bool], max_parameters: int = MAX_PARAMETERS
) -> list[tuple[str, str]]:
    """Return the query parameters of a request, in order.

    Args:
        request: The request.
        knows: Whether the operation has a parameter of this name. Other parameters that the
            endpoint or a dependency of it declares are left out.
        max_parameters: The maximum number of parameters.

    Raises:
        QueryError: The request has more parameters.
    """
    raw: bytes = request.scope["query_string"]
    if not raw:
        return []
    try:
        query = _pairs(raw.decode("latin-1"), max_parameters)
    except ValueError:
        message = f"Too many query parameters: the maximum is {max_parameters}"
        raise QueryError([error_entry("too_long", ("query",), message)]) from None
    declared = declared_query_names(request.scope["route"])
    return [pair for pair in query if pair[0] not in declared or knows(pair[0])]


def _pairs(query: str, max_parameters: int) -> list[tuple[str, str]]:
    """Split a query string; one without escapes in a fifth of the time that ``urllib`` takes.

    Raises:
        ValueError: It has too many parameters.
    """
    if "%" in query or "+" in query or query.count("&") >= max_parameters:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=max_parameters)
    pairs = [part.partition("=") for part in query.split("&") if part]
    return [(name, value) for name, _, value in pairs]


def refuse_query_parameters(request: Request) -> None:
    """Refuse the query parameters of a write, except those that a dependency declares.

    Raises:
        QueryError: There are others.
    """
    if not request.scope["query_string"]:
        return
    names = dict.fromkeys(name for name, _ in query_of(request, ().__contains__))
    errors = [
        error_entry(
            "unknown_parameter",
            ("query", name),
            f"Unknown parameter {name}. This request has no query parameters.",
        )
        for name in names
    ]
    if errors:
        raise QueryError(errors[:MAX_PARAMETERS])


def path_of(request: Request) -> str:
    """Return the path of a request as the client sees it, quoted for a URL."""
    path = str(request.scope["path"])
    # The prefix that a proxy strips from the path: ``FastAPI(root_path="/api")``.
    root = str(request.scope.get("app_root_path", request.scope.get("root_path", "")))
    if not path.startswith(f"{root}/"):
        path = root + path
    return _quoted(path) if len(path) < MAX_CACHED_PATH else _quoted.__wrapped__(path)


@lru_cache(maxsize=1024)
def _quoted(path: str) -> str:
    return quote(path, safe="/@:!$&'()*+;=,~-._")


def url_of(request: Request, *, is_absolute: bool = False) -> str:
    """Return the path and the query string of a request, as the client wrote them.

    Args:
        request: The request.
        is_absolute: Whether to return the scheme and the host as well.
    """
    raw: bytes = request.scope["query_string"]
    path = path_of(request)
    if is_absolute:
        path = f"{request.url.scheme}://{quote(request.url.netloc, safe=_HOST_SIGNS)}{path}"
    if not raw:
        return path
    query = raw.decode("latin-1")
    if _UNSAFE.search(query):  # it could end the URL in a Link header
        query = quote(raw, safe=_URL_SIGNS)
    return f"{path}?{query}"


def requested_page(
    reader: PageReader,
    table_context: ResourceContext,
    request: Request,
    relation: RelationShape | None = None,
    *,
    has_absolute_links: bool = False,
) -> Page:
    """Return the page that a request asks for.

    Args:
        reader: Parses the query string.
        table_context: The table of the route.
        request: The request.
        relation: The relation in the path, whose rows the page has.
        has_absolute_links: Whether links to other pages are absolute URLs.

    Raises:
        QueryError: Its query string is not valid.
        Problem: 403, the scope of the table denies access.
        HTTPException: 401 or 403, the error of the scope of another table that the request names.
    """
    query = query_of(request, reader.knows)
    scopes = table_context.scopes(request)
    url = url_of(request, is_absolute=has_absolute_links)
    return read_page(reader, query, scopes, url, relation)


def read_page(
    reader: PageReader,
    query: list[tuple[str, str]],
    scopes: Scopes,
    url: str = "",
    relation: RelationShape | None = None,
) -> Page:
    """Parse a query string: see ``requested_page``."""
    if reader.aliases:
        aliased = AliasedQuery(query, reader.aliases)
        if aliased.used:
            try:
                return read_page(reader, aliased.pairs, scopes, aliased.url(url), relation)
            except QueryError as error:
                raise aliased.named(error) from None
    page = reader.read(query, scopes, url)
    errors = scopes.errors()
    if errors:
        named = named_tables(reader.queryable, query, page.filter.node, page.ordering)
        for table in (*(tables_of(relation) if relation is not None else ()), *named):
            if table in errors:
                raise errors[table]
    return page


class ReadOperations:
    """The read operations of one table.

    Args:
        table_context: The table.
        contract: How the Resource answers.
    """

    def __init__(self, table_context: ResourceContext, contract: Contract) -> None:
        self.table_context = table_context
        self.contract = contract
        self.reader = contract.reader(table_context.queryable, is_main=True)
        self.row_reader = PageReader(
            table_context.queryable,
            default_limit=1,
            options=frozenset(("fields", "include")),
            filters=False,
        )
        self.tree_reader = contract.reader(
            table_context.queryable,
            options=frozenset(("fields", "include", "limit", "offset")),
            filters=False,
        )

    def requested_page(self, request: Request) -> Page:
        """Return the page of the table that a request asks for: see ``requested_page``."""
        page = requested_page(
            self.reader,
            self.table_context,
            request,
            has_absolute_links=self.contract.has_absolute_links,
        )
        above = self.table_context.path_columns.above(request)
        return page if above is None else replace(page, parent=above)

    async def page(self, context: RequestContext, page: Page) -> Response:
        """Respond with a page of the table."""
        view = self.table_context.views.get(page.fields, page.include)
        return await respond_with_page(context, self.table_context, page, view, self.contract)

    async def explain(self, page: Page, key: str | None) -> Explanation:
        """Return the statement of a page, or of one row, and the plan of the database."""
        view = self.table_context.views.get(page.fields, page.include)
        if key is None:
            plan, values = _page_plan(page, view, self.table_context.backend), page_values(page)
        else:
            plan = self._row_plan(view, page.scopes)
            table_context, scopes = self.table_context, page.scopes
            outer = scopes.values(table_context.shape.table)
            row_key = table_context.key(key, outer=outer)
            values = {**key_parameters(row_key), **dict(scopes.binds())}
        async with self.table_context.db.async_engine.connect() as connection:
            return await connection.run_sync(explain, plan.statement, values)

    async def row(self, request: Request, key: tuple[Any, ...]) -> Response:
        """Respond with one row, or with 304 if the client has its current version."""
        context, table_context = context_of(request), self.table_context
        scopes = table_context.scopes(request)
        if request.scope["query_string"] or scopes:
            query = query_of(request, self.row_reader.knows)
            options = read_page(self.row_reader, query, scopes)
        else:
            options = self._default_options
        view = table_context.views.get(options.fields, options.include)
        structure = ("row", view.fields, options.include, scopes.structure)
        plan = table_context.plans.get(
            None if scopes.structure is None else structure, lambda: self._row_plan(view, scopes)
        )
        parameters = key_parameters(key)
        parameters.update(scopes.binds())
        try:
            row = await table_context.run(context, plan.first(parameters), read_only=True)
            if row is None:
                raise table_context.not_found()
            body = render_row(view, row.body)
        except FAILURES as error:
            rows = partial(row_of_key, table_context, key, scopes)
            await name_unreadable(context, error, table_context, view, scopes, rows)
            raise
        tag = table_context.etags.of(row.state, body)
        if is_unchanged(request.headers.getlist("if-none-match"), tag):
            return Response(status_code=304, headers={"ETag": tag})
        return JSONBody(body, 200, {"ETag": tag})

    @cached_property
    def _default_options(self) -> Page:
        """What a request for one row selects if it says nothing."""
        return read_page(self.row_reader, [], NO_SCOPES)

    def _row_plan(self, view: View, scopes: Scopes) -> Plan:
        shape = self.table_context.shape
        source = shape.table.alias()
        columns = row_columns(
            view, source, scopes, self.table_context.backend, self.table_context.state_columns
        )
        statement = select(*columns).where(
            key_clause(shape, source), *scopes.clauses(shape.table, source)
        )
        return Plan(statement, max_bytes=MAX_ANSWER_BYTES)

    async def tree(
        self, request: Request, key: tuple[Any, ...], relation: RelationShape, depth: int
    ) -> Response:
        """Respond with the descendants of a row in a self-referential relation, parents first."""
        context, table_context = context_of(request), self.table_context
        scopes = table_context.scopes(request)
        knows = self.tree_reader.knows
        query = query_of(request, lambda name: name == "depth" or knows(name))
        query = [pair for pair in query if pair[0] != "depth"]
        url = url_of(request, is_absolute=self.contract.has_absolute_links)
        page = read_page(self.tree_reader, query, scopes, url)
        view = table_context.views.get(page.fields, page.include)
        parent = ParentRow(table_context.shape, relation, key)
        statement = _tree_statement(parent, view, page, table_context.backend)
        plan = Plan(statement, max_bytes=MAX_ANSWER_BYTES)
        parameters = {
            **page.parameters(),
            **parent.parameters(),
            **_limit_parameters(page),
            "offset_": page.offset,
            "depth_": depth,
        }
        try:
            row = await table_context.run(context, plan.one(parameters), read_only=True)
            if not row.parent:
                raise table_context.not_found()
            if row.body is None:
                raise Problem.of(too_large("This page"))
            body = render_rows(view, row.body)
        except FAILURES as error:
            rows = _tree_rows(_tree(parent, page), view, scopes), parameters
            await name_unreadable(context, error, table_context, view, scopes, lambda: rows)
            raise
        links = offset_links(page, row.found > page.limit)
        total = row.total if page.is_counted else None
        return page_response(self.contract, page, body, Neighbors(links), row.found, total)


async def respond_with_page(
    context: RequestContext,
    table_context: ResourceContext,
    page: Page,
    view: View,
    contract: Contract,
) -> Response:
    """Respond with a page.

    Args:
        context: The context of the request.
        table_context: The table of the route.
        page: The requested page, of this table or one of its relations.
        view: The fields and relations of each row.
        contract: How the Resource answers.
    """
    if contract.counts and page.count == "none":  # a page that an endpoint made
        page = replace(page, count="exact")
    if page.count == "estimated" and table_context.backend == "sqlite":
        page = replace(page, count="exact")  # SQLite's planner gives no estimate
    try:
        page, row = await _load_page(context, table_context, page, view)
        if page.parent is not None and not row.parent:
            raise Problem(404, f"{page.parent.name} not found.", kind="not_found")
        body = render_rows(view, row.body)
    except FAILURES as error:
        rows = partial(rows_of_page, page)
        await name_unreadable(context, error, table_context, view, page.scopes, rows)
        raise
    total: int | None = None
    if page.is_counted:
        total = row.total
    elif page.count == "estimated":
        total = await _estimate(context, table_context, page)
    cursors = page_cursors(page, row) if contract.has_cursors else {}
    neighbors = Neighbors(page_links(page, row), cursors)
    return page_response(contract, page, body, neighbors, row.found, total)


async def _load_page(
    context: RequestContext, table_context: ResourceContext, page: Page, view: View
) -> tuple[Page, Any]:
    """Load a page, with fewer rows than requested if they are too large for one response."""
    structure = page.structure
    plan = table_context.plans.get(
        None if structure is None else ("page", structure),
        lambda: _page_plan(page, view, table_context.backend),
    )
    try:
        row = await table_context.run(context, plan.one(page_values(page)), read_only=True)
    except Problem as problem:
        if problem.kind != TOO_LARGE:
            raise
        row = None
    if row is not None and row.body is not None:
        return page, row
    page = replace(page, limit=await _rows_that_fit(context, table_context, page, view))
    return page, await table_context.run(context, plan.one(page_values(page)), read_only=True)


async def _rows_that_fit(
    context: RequestContext, table_context: ResourceContext, page: Page, view: View
) -> int:
    """Return how many rows of a page fit into one response.

    Raises:
        Problem: 413, the first row does not fit.
    """
    plan = Plan(size_statement(page, view, table_context.backend), max_bytes=MAX_ANSWER_BYTES)
    rows = await table_context.run(context, plan.bound(page_values(page), list), read_only=True)
    size = 2  # the brackets
    count = 0
    for count, row in enumerate(rows):
        size += row.size + 1
        if size > MAX_ANSWER_BYTES:
            if count == 0:
                key = table_context.keys.write(from_json(row.key))
                raise Problem.of(too_large(f"The {table_context.name} {key}"))
            return count
    return count + 1


def page_values(page: Page) -> dict[str, Any]:
    """Return the parameter values of a page's statement."""
    values = {**page.parameters(), **_limit_parameters(page)}
    if page.offset:
        values["offset_"] = page.offset
    return values


def with_parent(page: Page, statement: Select[Any]) -> Select[Any]:
    """Return the statement of a page with the column ``parent``: whether its parent exists."""
    if page.parent is None:
        return statement
    return statement.add_columns(page.parent.exists(page.scopes).label("parent"))


def _page_plan(page: Page, view: View, backend: Backend) -> Plan:
    statement = with_parent(page, page_statement(page, view, backend))
    return Plan(statement, one_off=page.filter.is_long, max_bytes=MAX_ANSWER_BYTES)


async def _estimate(context: RequestContext, table_context: ResourceContext, page: Page) -> int:
    """Return PostgreSQL's estimate of the number of rows."""
    explain, parameters = Plan(Explain(page.all_rows())), page_values(page)
    output = await table_context.run(
        context,
        lambda connection: explain.run(connection, parameters).scalar_one(),
        read_only=True,
    )
    plans = from_json(output) if isinstance(output, str) else output
    return int(plans[0]["Plan"]["Plan Rows"])


def _limit_parameters(page: Page) -> dict[str, int]:
    return {"limit_": page.limit + 1, "shown_": page.limit}


def _tree(parent: ParentRow, page: Page) -> CTE:
    """Build the CTE of the descendants of a row, with their levels."""
    shape = parent.shape
    table: SQLTable = shape.table
    pairs = parent.relation.pairs
    top = table.alias()
    root = table.alias()
    level = cast(literal_column("1"), BigInteger()).label("level_")
    tree = (
        select(*top.c, level)
        .select_from(top, root)
        .where(
            key_clause(shape, root),
            *page.scopes.clauses(table, root),
            *(top.c[there] == root.c[here] for here, there in pairs),
            *page.scopes.clauses(table, top),
        )
        .cte("colonnade_tree", recursive=True)
    )
    below = table.alias()
    return tree.union_all(
        select(*below.c, tree.c.level_ + 1)
        .select_from(below, tree)
        .where(
            *(below.c[there] == tree.c[here] for here, there in pairs),
            tree.c.level_ < bindparam("depth_", type_=BigInteger()),
            *page.scopes.clauses(table, below),
        )
    )


def _tree_rows(tree: CTE, view: View, scopes: Scopes) -> Any:
    """Build the SELECT of the descendants of a row, level by level."""
    rows = RowSource(tree, scopes)
    keys = (sort_column.expression(rows) for sort_column in key_ordering(view.queryable.shape))
    return (
        select(tree)
        .order_by(tree.c.level_, *keys)
        .limit(bindparam("limit_", type_=BigInteger()))
        .offset(bindparam("offset_", type_=BigInteger()))
    )


def _tree_statement(parent: ParentRow, view: View, page: Page, backend: Backend) -> Any:
    """Build the SELECT of a tree: ``body``, ``found`` rows, and whether the ``parent`` exists.

    If the page is counted, it has the ``total`` of all descendants as well.
    """
    tree = _tree(parent, page)
    rows = _tree_rows(tree, view, page.scopes).subquery()
    numbered = select(
        view.text(rows, page.scopes, backend).label("j"), func.row_number().over().label("n")
    ).subquery()
    shown = numbered.c.n <= bindparam("shown_", type_=BigInteger())
    columns: list[Any] = [
        within_size_limit(json_array_agg(numbered.c.j, backend, only=shown), backend).label("body"),
        func.count().label("found"),
        parent.exists(page.scopes).label("parent"),
    ]
    if page.is_counted:
        columns.append(select(func.count()).select_from(tree).scalar_subquery().label("total"))
    return select(*columns).select_from(numbered)
