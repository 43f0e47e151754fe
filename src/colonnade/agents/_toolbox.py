"""``Toolbox``: what the tools of agents do, whichever way they are called."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fastapi import FastAPI
from starlette.types import Scope

from colonnade.agents._answers import ToolError, rows_answer
from colonnade.agents._arguments import (
    AggregateArguments,
    Arguments,
    DescribeArguments,
    ExplainArguments,
    FindArguments,
    ReadArguments,
    WriteArguments,
)
from colonnade.agents._keys import key_segment
from colonnade.agents._private_routes import PrivateRoutes
from colonnade.agents._requests import Answer, Caller
from colonnade.agents._tools import TOOLS, Tool
from colonnade.agents._writes import write
from colonnade.resources import (
    Resource,
    ServedTable,
    SharedSession,
    refuse_parameters,
    served_tables,
)

DEADLINE = 60.0
"""Seconds that a call may take: common clients wait as long."""

CALLER = "The MCP server"

Query = list[tuple[str, str]]


class Toolbox:
    """The tools over the Resources of an application.

    Args:
        app: The application.
        resources: The Resources; None for all that the application includes.
        writable: Whether tools may write.
        shows_sql: Whether ``explain`` shows SQL.

    Raises:
        ModelError: The path of a Resource has a parameter.
    """

    def __init__(
        self,
        app: FastAPI,
        resources: Sequence[Resource] | None,
        *,
        writable: bool,
        shows_sql: bool,
    ) -> None:
        for resource in resources or ():
            refuse_parameters(resource, resource.prefix, CALLER)
        self._app = app
        self._resources = resources
        self._writable = writable
        self._shows_sql = shows_sql
        self.tools = {tool.name: tool for tool in TOOLS if writable or not tool.writes}

    @cached_property
    def _tables(self) -> dict[str, ServedTable]:
        """The tables, as they are when the first call arrives."""
        return served_tables(self._app, self._resources, CALLER)

    @cached_property
    def _private(self) -> PrivateRoutes:
        return PrivateRoutes(self._tables, writable=self._writable, shows_sql=self._shows_sql)

    async def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
        """Call a tool.

        Args:
            name: Its name.
            arguments: Its arguments.
            scope: The scope of the request with which the call has arrived, in the application.

        Returns:
            The answer.

        Raises:
            ToolError: The call is wrong, or is refused.
        """
        tool = self._tool(name)
        parsed = tool.parse(arguments)
        try:
            async with asyncio.timeout(DEADLINE):
                return await self._run(parsed, Caller(scope))
        except TimeoutError:
            raise ToolError(
                f"{name} took longer than {DEADLINE:g} s and was cancelled. Ask for less, or see "
                "with explain how the database reads the rows."
            ) from None

    def _tool(self, name: str) -> Tool:
        tool = self.tools.get(name)
        if tool is not None:
            return tool
        if name == "write":
            raise ToolError("This server only reads.")
        raise ToolError(f"There is no tool {name[:100]!r}. The tools are: {', '.join(self.tools)}.")

    async def _run(self, arguments: Arguments, caller: Caller) -> dict[str, Any]:
        match arguments:
            case DescribeArguments():
                return await self._describe(arguments, caller)
            case ExplainArguments():
                return await self._explain(arguments, caller)
            case FindArguments():
                return await self._find(arguments, caller)
            case ReadArguments():
                return await self._read(arguments, caller)
            case AggregateArguments():
                return await self._aggregate(arguments, caller)
            case WriteArguments():
                for change in arguments.changes:
                    await self._table(change.table, caller)
                return await write(arguments, self._tables, caller)
        raise AssertionError(arguments)

    async def _describe(self, arguments: DescribeArguments, caller: Caller) -> dict[str, Any]:
        query = [("table", name) for name in arguments.tables]
        answer = await caller.ask_private(self._private.router, "/describe", query)
        described: dict[str, Any] = answer.require_success()
        return described

    async def _find(self, arguments: FindArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        answer = await self._read_only(table, caller, "", await self._find_query(arguments, caller))
        rows = _rows_of(table, answer.require_success())
        total = answer.headers.get("x-total-count")
        return rows_answer(rows, total=None if total is None else int(total), next=_next(answer))

    async def _read(self, arguments: ReadArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        below = f"/{unquote(key_segment(arguments.key, table.resource.model))}"
        query = _selection(arguments.fields, arguments.include)
        if arguments.relation is None:
            answer = await self._read_only(table, caller, below, query)
            row = answer.require_success()
            return rows_answer([row], etag=answer.headers.get("etag"))
        if "/" in arguments.relation or ":" in arguments.relation:
            raise ToolError(f"relation: {arguments.relation!r} is not a relation of this table.")
        query += [("limit", str(arguments.limit)), *_given(cursor=arguments.cursor)]
        answer = await self._read_only(table, caller, f"{below}/{arguments.relation}", query)
        return rows_answer(answer.require_success(), next=_next(answer))

    async def _aggregate(self, arguments: AggregateArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        if "aggregate" not in table.resource.operations:
            raise ToolError(
                f"{arguments.table} has no aggregates: the application would have to allow them "
                'with operations=STANDARD | {"aggregate"}.'
            )
        query = [
            ("aggregate", ",".join(arguments.aggregate)),
            ("limit", str(arguments.limit)),
            *_listed(group_by=arguments.group_by, order_by=arguments.order_by),
            *_given(tz=arguments.tz, cursor=arguments.cursor),
            *_as_json(where=arguments.where, having=arguments.having),
            *await self._filters(arguments.table, arguments.filters, caller),
        ]
        answer = await self._read_only(table, caller, ":aggregate", query)
        return rows_answer(answer.require_success(), next=_next(answer))

    async def _explain(self, arguments: ExplainArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        path = f"/explain/{arguments.table}"
        query = await self._find_query(arguments, caller)
        if arguments.key is not None:
            path += f"/{unquote(key_segment(arguments.key, table.resource.model))}"
            query = _selection(arguments.fields, arguments.include)
        answer = await caller.ask_private(self._private.router, path, query)
        explained: dict[str, Any] = answer.require_success()
        return explained

    async def _find_query(self, arguments: FindArguments, caller: Caller) -> Query:
        return [
            ("limit", str(arguments.limit)),
            *_listed(order_by=arguments.order_by),
            *_given(cursor=arguments.cursor, count=arguments.count),
            *_as_json(where=arguments.where),
            *_selection(arguments.fields, arguments.include),
            *await self._filters(arguments.table, arguments.filters, caller),
        ]

    async def _filters(self, table: str, filters: Mapping[str, Any], caller: Caller) -> Query:
        """Filters as query parameters.

        Only those of the table: a query parameter of the application's own dependencies, such as a
        tenant, is not for agents to choose.
        """
        if not filters:
            return []
        answer = await caller.ask_private(self._private.router, f"/names/{table}")
        names: list[str] = answer.require_success()
        for name in filters:
            if name.partition("__")[0] not in names:
                raise ToolError(
                    f"filters: {name!r} is not a field or relation of {table}. It has: "
                    f"{', '.join(names)}."
                )
        return [(name, _filter_text(value)) for name, value in filters.items()]

    async def _table(self, name: str, caller: Caller) -> ServedTable:
        table = self._tables.get(name)
        if table is None:
            # It names those that the caller may read.
            answer = await caller.ask_private(self._private.router, "/describe", [("table", name)])
            raise ToolError(**answer.problem())
        return table

    async def _read_only(
        self, table: ServedTable, caller: Caller, below: str, query: Query
    ) -> Answer:
        """Send a GET whose statements run in a read-only transaction."""
        async with self._read_only_session(table) as session:
            return await caller.ask(table, below, query=query, session=session)

    @asynccontextmanager
    async def _read_only_session(self, table: ServedTable) -> AsyncIterator[SharedSession]:
        db = table.resource.db
        async with db.session(read_only=True) as session:
            yield SharedSession(session, is_new=False, db=db, is_trial=True)


def _rows_of(table: ServedTable, body: Any) -> Sequence[Any]:
    """The rows of a list, which may be in an envelope."""
    if isinstance(body, list):
        return body
    lists = [value for value in body.values() if isinstance(value, list)]
    if len(lists) != 1:
        raise ToolError("The application does not respond with a list of rows here.")
    rows: Sequence[Any] = lists[0]
    return rows


def _next(answer: Answer) -> str | None:
    """The cursor of the next page, from the ``Link`` header."""
    for link in answer.headers.get("link", "").split(", <"):
        url, _, parameters = link.lstrip("<").partition(">")
        if 'rel="next"' in parameters:
            return next(iter(parse_qs(urlsplit(url).query).get("cursor", [])), None)
    return None


def _selection(fields: Sequence[str], include: Sequence[str]) -> Query:
    return _listed(fields=fields, include=include)


def _listed(**names: Sequence[str]) -> Query:
    return [(name, ",".join(values)) for name, values in names.items() if values]


def _given(**values: str | None) -> Query:
    return [(name, value) for name, value in values.items() if value is not None]


def _as_json(**values: Mapping[str, Any] | None) -> Query:
    return [(name, json.dumps(value)) for name, value in values.items() if value is not None]


def _filter_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)
