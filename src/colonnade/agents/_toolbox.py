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
    DEFAULT_ROWS,
    MAX_ROWS,
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
from colonnade.errors import ModelError
from colonnade.models import Shape
from colonnade.resources import (
    GeneratedRoute,
    Resource,
    ServedTable,
    SharedSession,
    refuse_parameters,
    served_tables,
    without_names,
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
        return PrivateRoutes(
            self._tables,
            self._app.router.dependencies,
            writable=self._writable,
            shows_sql=self._shows_sql,
        )

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
        caller = Caller(scope)
        limit = asyncio.timeout(DEADLINE)
        try:
            async with limit:
                return await self._run(parsed, caller)
        except ModelError as error:  # of a Resource that tools cannot call
            raise ToolError(str(error)) from None
        except TimeoutError:
            if not limit.expired():
                raise
            raise ToolError(_late(tool)) from None
        except ToolError:
            if not caller.has_asked:
                await self._require_readable(parsed, caller)
            raise

    async def _require_readable(self, arguments: Arguments, caller: Caller) -> None:
        """Refuse a caller who may not read the table, before a message says anything of it."""
        changes = arguments.changes if isinstance(arguments, WriteArguments) else [arguments]
        for name in {getattr(each, "table", None) for each in changes}:
            if name in self._tables:
                answer = await caller.ask_private(self._private.router, f"/names/{name}")
                answer.require_success()

    def _tool(self, name: str) -> Tool:
        tool = self.tools.get(name)
        if tool is not None:
            return tool
        if name == "write":
            raise ToolError("This server is read-only: it has no tool `write`.")
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
        answer = await self._read_only(
            table, caller, "", await self._find_query(arguments, table, caller)
        )
        rows = _rows_of(answer.require_success())
        return rows_answer(rows, total=_total(answer), next=_next(answer))

    async def _read(self, arguments: ReadArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        below = f"/{unquote(key_segment(arguments.key, table.resource.model))}"
        query = _selection(arguments.fields, arguments.include)
        if arguments.relation is None:
            self._require_route(table, caller, below, "/{}")
            answer = await self._read_only(table, caller, below, query)
            row = answer.require_success()
            return rows_answer([row], etag=answer.headers.get("etag"))
        if arguments.relation not in Shape.of(table.resource.model).relations:
            known = await self._names(arguments.table, "relations", caller)
            raise ToolError(
                f"relation: {arguments.relation!r} is not a relation of {arguments.table}. It has: "
                f"{', '.join(known) or 'none'}."
            )
        below += f"/{arguments.relation}"
        query += [
            ("limit", _limit(arguments.limit, DEFAULT_ROWS, table)),
            *_given(cursor=arguments.cursor),
        ]
        answer = await self._read_only(table, caller, below, query)
        return rows_answer(_rows_of(answer.require_success()), next=_next(answer))

    def _require_route(self, table: ServedTable, caller: Caller, below: str, expected: str) -> None:
        """Refuse a key that is the path of another endpoint, such as ``/tasks/export``.

        Raises:
            ToolError: Another endpoint would answer.
        """
        path = getattr(caller.route(table, below, "GET"), "path", None)
        if path is not None and not without_names(path).endswith(expected):
            raise ToolError(
                f"This key is the path of another endpoint of {table.id}, so it cannot be used to "
                "read a row.",
                status=404,
            )

    async def _aggregate(self, arguments: AggregateArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        if "aggregate" not in table.resource.operations:
            raise ToolError(
                f"{arguments.table} has no aggregates: the application would have to allow them "
                'with operations=STANDARD | {"aggregate"}.'
            )
        query = [
            ("aggregate", ",".join(arguments.aggregate)),
            ("limit", _limit(arguments.limit, MAX_ROWS, table)),
            *_listed(group_by=arguments.group_by, order_by=arguments.order_by),
            *_given(tz=arguments.tz, cursor=arguments.cursor),
            *_as_json(where=arguments.where, having=arguments.having),
            *await self._filters(arguments.table, arguments.filters, caller),
        ]
        answer = await self._read_only(table, caller, ":aggregate", query)
        return rows_answer(_rows_of(answer.require_success()), next=_next(answer))

    async def _explain(self, arguments: ExplainArguments, caller: Caller) -> dict[str, Any]:
        table = await self._table(arguments.table, caller)
        path = f"/explain/{arguments.table}"
        if arguments.key is None:
            query = await self._find_query(arguments, table, caller)
            self._require_generated(table, caller, "")
        else:
            below = f"/{unquote(key_segment(arguments.key, table.resource.model))}"
            query = _selection(arguments.fields, arguments.include)
            self._require_generated(table, caller, below)
            # The guards of a read, which may be others than those of the list.
            (await self._read_only(table, caller, below, query)).require_success()
            path += below
        answer = await caller.ask_private(self._private.router, path, query)
        explained: dict[str, Any] = answer.require_success()
        return explained

    def _require_generated(self, table: ServedTable, caller: Caller, below: str) -> None:
        """Refuse to explain what the application answers by itself, or not at all.

        Raises:
            ToolError: The Resource has no such list or read.
        """
        if not isinstance(caller.route(table, below, "GET"), GeneratedRoute):
            raise ToolError(
                f"explain needs a generated endpoint, and the application has replaced or left out "
                f"that of {table.id}."
            )

    async def _find_query(
        self, arguments: FindArguments, table: ServedTable, caller: Caller
    ) -> Query:
        return [
            ("limit", _limit(arguments.limit, DEFAULT_ROWS, table)),
            *_listed(order_by=arguments.order_by),
            *_given(cursor=arguments.cursor, count=arguments.count),
            *_as_json(where=arguments.where),
            *_selection(arguments.fields, arguments.include),
            *await self._filters(arguments.table, arguments.filters, caller),
        ]

    async def _filters(self, table: str, filters: Mapping[str, Any], caller: Caller) -> Query:
        """Filters as query parameters.

        Only those of the table: a query parameter of the application's own dependencies, such as a
        tenant, is not for agents to choose, unless it has the name of a field.
        """
        if not filters:
            return []
        names = await self._names(table, "fields", caller)
        names += await self._names(table, "relations", caller)
        for name in filters:
            if name.partition("__")[0] not in names:
                raise ToolError(
                    f"filters: {name!r} is not a field or relation of {table}. It has: "
                    f"{', '.join(names)}."
                )
        return [(name, _filter_text(value)) for name, value in filters.items()]

    async def _names(self, table: str, kind: str, caller: Caller) -> list[str]:
        """The names of the fields or of the relations that the caller may know."""
        answer = await caller.ask_private(self._private.router, f"/names/{table}")
        names: dict[str, list[str]] = answer.require_success()
        return names[kind]

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


def _rows_of(body: Any) -> Sequence[Any]:
    """The rows of a list, which may be in an envelope."""
    if isinstance(body, list):
        return body
    values = body.values() if isinstance(body, dict) else ()
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) != 1:
        raise ToolError("The application does not respond with a list of rows here.")
    rows: Sequence[Any] = lists[0]
    return rows


def _total(answer: Answer) -> int | None:
    """The number of all rows that match, from ``X-Total-Count`` or ``Content-Range``."""
    text = answer.headers.get("x-total-count", "")
    text = text or answer.headers.get("content-range", "").rpartition("/")[2]
    return int(text) if text.isdecimal() else None


def _limit(limit: int | None, default: int, table: ServedTable) -> str:
    """The limit of a call: without one, the default, or less if the Resource allows only that."""
    return str(min(default, table.resource.max_limit) if limit is None else limit)


def _late(tool: Tool) -> str:
    """What to say of a call that took too long."""
    if tool.writes:
        return (
            f"{tool.name} took longer than {DEADLINE:g} s and was cancelled. The changes may be "
            "stored or not: read them before you repeat the call."
        )
    return (
        f"{tool.name} took longer than {DEADLINE:g} s and was cancelled. Ask for less, or see with "
        "explain how the database reads the rows."
    )


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
