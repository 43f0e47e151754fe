"""Requests with nested bodies: recognized, parsed, and guarded."""

from collections.abc import Callable

from fastapi import HTTPException, Request
from pydantic_core import to_json

from colonnade.query import NO_SCOPES, Scopes
from colonnade.resources._scoping import scopes_of
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.writes._link_operations import scopes_of_link
from colonnade.resources.writes._resource_tables import ResourceTable, resource_table
from colonnade.resources.writes.nested._guards import run_guards
from colonnade.writes import (
    Key,
    NestedBody,
    NestedChanges,
    NestedRelation,
    NestedRow,
    WritableTable,
    WriteKind,
)


class RequestScopes:
    """The scopes of a request for the tables of its body.

    Args:
        request: The request.

    Attributes:
        refusal: The first denial of access; None if the request may access all tables.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._of_tables: dict[WritableTable, Scopes] = {}
        self.refusal: HTTPException | None = None

    def of_table(self, table: WritableTable) -> Scopes:
        """Return the scopes of a write of a table."""
        scopes = self._of_tables.get(table)
        if scopes is None:
            context = resource_table(table).table_context
            scopes = self._allowed(lambda: context.scopes(self._request, writing=True))
            self._of_tables[table] = scopes
        return scopes

    def of_link(self, relation: NestedRelation) -> Scopes:
        """Return the scopes of the links of a relation."""
        link = relation.link
        if link is None:
            return NO_SCOPES
        source = resource_table(relation.source).table_context
        return self._allowed(lambda: scopes_of_link(source, link, self._request))

    def _allowed(self, scopes: Callable[[], Scopes]) -> Scopes:
        try:
            return scopes()
        except HTTPException as error:
            self.refusal = self.refusal or error
            return NO_SCOPES


class NestedParser:
    """Parses the nested bodies of one Resource.

    Args:
        table: The table of the Resource.
        max_rows: The maximum number of rows in a body.
    """

    def __init__(self, table: ResourceTable, max_rows: int) -> None:
        self._table = table
        self._max_rows = max_rows

    async def body(self, request: Request) -> bytes | None:
        """Return the body of a request if it may have nested rows; None for a plain one."""
        body = await json_body(request)
        names = map(to_json, self._table.relations)
        is_nested = b"\\u" in body or any(name in body for name in names)
        return body if is_nested else None

    async def create(
        self, request: Request, body: bytes, omitted: frozenset[str] = frozenset()
    ) -> NestedChanges:
        """Parse a new row, without fields that the relation of the path sets."""
        return await self._changes(
            request, "create", body, lambda nested: nested.create(body, omitted)
        )

    async def create_many(self, request: Request, body: bytes) -> NestedChanges:
        """Parse new rows."""
        return await self._changes(request, "create", body, lambda nested: nested.create_many(body))

    async def update(
        self, request: Request, body: bytes, key: Key, expected: frozenset[str] | None
    ) -> NestedChanges:
        """Parse the changes of a row."""
        return await self._changes(
            request, "update", body, lambda nested: nested.update(body, key, expected)
        )

    async def _changes(
        self,
        request: Request,
        kind: WriteKind,
        body: bytes,
        parse: Callable[[NestedBody], list[NestedRow]],
    ) -> NestedChanges:
        """Parse a body, and run the guards of what it needs.

        Raises:
            HTTPException: A guard refuses, or a scope denies access.
            QueryError: The body is not valid.
        """
        scopes = RequestScopes(request)
        parsed = NestedBody(scopes, self._table, self._max_rows)
        rows = await read_body(body, lambda _: parse(parsed))
        await run_guards(request, parsed, kind)
        if scopes.refusal is not None:
            raise scopes.refusal
        parsed.raise_errors()
        written: set[tuple[WritableTable, WriteKind]] = {(self._table, kind)}
        written |= {(table, used) for table, used in parsed.uses if used != "link"}
        return NestedChanges(kind, rows, frozenset(written), self._all_scopes(request))

    def _all_scopes(self, request: Request) -> Scopes:
        """The scopes of all tables that nested writes reach: they decide what a response shows."""
        context = self._table.table_context
        return scopes_of(
            request, context.db, lambda: [*context.tables(), *self._table.all_reached()]
        )
