"""The aggregate operation: groups of the rows of a table, counted and summed by the database."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request, Response
from pydantic_core import from_json
from sqlalchemy.exc import DBAPIError

from colonnade.database import Plan
from colonnade.errors import QueryError, error_entry
from colonnade.query import Page, named_tables
from colonnade.query.groups import MAX_GROUPS, GroupedPage, GroupReader
from colonnade.resources._page_links import link_header, page_links
from colonnade.resources._reads import page_values, query_of, url_of, with_parent
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._bodies import JSONBody
from colonnade.resources.responses._problems import Problem
from colonnade.resources.responses._unreadable import FAILURES, is_about_values
from colonnade.resources.routes._request_context import RequestContext, context_of
from colonnade.rows import MAX_ANSWER_BYTES, GroupView, page_statement
from colonnade.writes import DriverError, too_large

AGGREGATE_DEADLINE = 5.0
"""Maximum time in seconds that an aggregate waits for the database, as it may read all rows."""

_UNKNOWN_ZONE = "22023"
"""The SQLSTATE of PostgreSQL for a time zone that it does not know."""


class AggregateOperations:
    """The aggregates of one table.

    Args:
        table_context: The table.
        max_limit: The maximum number of groups in a page.
        exclude: The public names of columns that requests can neither group nor aggregate.
        for_requests: Whether requests name the fields; otherwise a program does.
    """

    def __init__(
        self,
        table_context: ResourceContext,
        max_limit: int = MAX_GROUPS,
        exclude: Sequence[str] = (),
        *,
        for_requests: bool = True,
    ) -> None:
        self.table_context = table_context
        self.reader = GroupReader(
            table_context.queryable,
            max_limit=max_limit,
            exclude=exclude,
            for_requests=for_requests,
        )

    async def respond(self, request: Request) -> Response:
        """Respond with the groups that a request asks for."""
        query = query_of(request, self.reader.knows)
        scopes = self.table_context.scopes(request)
        page = self.reader.read(query, scopes, url_of(request))
        above = self.table_context.path_columns.above(request)
        page = page if above is None else replace(page, parent=above)
        self._refuse_errors(page)
        view, row = await self._load(context_of(request), page)
        body = row.body.encode() if view.is_exact else view.render_all(from_json(row.body))
        return JSONBody(body, 200, link_header(page_links(page, row)))

    async def values(
        self, context: RequestContext, page: Page, group_by: Sequence[str], aggregate: Sequence[str]
    ) -> list[dict[str, Any]]:
        """Return the groups of the rows of a page.

        Args:
            context: The context of the request.
            page: The page; its filters, scopes and conditions count.
            group_by: The fields to group by.
            aggregate: The aggregates.

        Raises:
            QueryError: A field cannot be grouped or aggregated, or there are too many groups.
        """
        groups = replace(self.reader.regrouped(page, group_by, aggregate), parent=page.parent)
        self._refuse_errors(groups)
        view, row = await self._load(context, groups)
        return view.values(from_json(row.body))

    def _refuse_errors(self, page: GroupedPage) -> None:
        """Answer with the error of the scope of a table that the request names."""
        errors = page.scopes.errors()
        if not errors:
            return
        named = named_tables(self.table_context.queryable, (), page.filter.node)
        for table in (*named, *page.grouping.tables()):
            if table in errors:
                raise errors[table]

    async def _load(self, context: RequestContext, page: GroupedPage) -> tuple[GroupView, Any]:
        view = GroupView(page.grouping)
        structure = page.structure
        plan = self.table_context.plans.get(
            None if structure is None else ("aggregate", structure), lambda: self._plan(page, view)
        )
        try:
            row = await self.table_context.run(
                context,
                plan.one(page_values(page)),
                read_only=True,
                deadline=AGGREGATE_DEADLINE,
            )
        except FAILURES as error:
            _name_cause(error, page)
            raise
        if page.parent is not None and not row.parent:
            raise Problem(404, f"{page.parent.name} not found.", kind="not_found")
        if row.groups > MAX_GROUPS:
            message = (
                f"The request has more than {MAX_GROUPS:,} groups. Filter the rows, or group by "
                f"fewer fields or longer periods"
            )
            raise QueryError([error_entry("too_many", ("query", "group_by"), message)])
        if row.body is None:
            raise Problem.of(too_large("This page"))
        return view, row

    def _plan(self, page: GroupedPage, view: GroupView) -> Plan:
        page = page.with_groups()
        statement = with_parent(page, page_statement(page, view, self.table_context.backend))
        statement = statement.add_columns(page.number_of_groups().label("groups"))
        return Plan(statement, one_off=page.filter.is_long, max_bytes=MAX_ANSWER_BYTES)


def _name_cause(error: BaseException, page: GroupedPage) -> None:
    """Raise an error that names the time zone or the stored value for which a statement failed.

    Raises:
        QueryError: The database does not know the time zone.
        Problem: 409, a stored value does not have the type of its column.
    """
    cause = error if isinstance(error, DBAPIError) else error.__cause__
    if isinstance(cause, DBAPIError) and DriverError(cause).state == _UNKNOWN_ZONE:
        message = f"The database does not know the time zone {page.zone}"
        entry = error_entry("time_zone", ("query", "tz"), message, page.zone)
        raise QueryError([entry]) from error
    if is_about_values(error):
        detail = (
            "A stored value cannot be read: it does not have the type of its column. List the "
            "rows to find it, and correct it."
        )
        raise Problem(409, detail, kind="unreadable") from error
