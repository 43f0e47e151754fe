"""Write requests: what a request names in its path, query, headers and body, as a ``ChangeSet``."""

from functools import partial

from fastapi import Request

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes
from colonnade.resources._reads import MAX_PARAMETERS, query_of, refuse_query_parameters
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.resources.writes.nested._requests import NestedParser
from colonnade.rows import check_batch_size
from colonnade.writes import (
    ChangeSet,
    Key,
    NestedChanges,
    NestedRelation,
    RowParser,
    WriteKind,
    expected_versions,
)


class RequestParser:
    """Parses the write requests of one table.

    Args:
        table: The table.
        max_rows: The maximum number of rows in a batch, and nested in a row.
    """

    def __init__(self, table: ResourceTable, max_rows: int) -> None:
        self._table = table
        self._table_context = table.table_context
        self._max_rows = max_rows
        self._rows = RowParser(table.table_context, max_rows)
        self._nested = NestedParser(table, max_rows)

    async def create(self, request: Request) -> ChangeSet | NestedChanges:
        """Parse the values of a new row."""
        scopes = scopes_of_write(self._table_context, request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.create(request, body)
        return await read_body(
            await json_body(request),
            partial(self._rows.create, scopes=scopes, with_instance=self._has_hooks("create")),
        )

    async def create_in(
        self, request: Request, relation: NestedRelation
    ) -> ChangeSet | NestedChanges:
        """Parse the values of a new row in a relation, which sets its foreign key."""
        scopes = scopes_of_write(self._table_context, request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.create(request, body, relation.omitted)
        reader = relation.target.reader("create", relation.omitted)
        return await read_body(
            await json_body(request),
            partial(
                self._rows.create,
                scopes=scopes,
                reader=reader,
                with_instance=self._has_hooks("create"),
            ),
        )

    async def create_many(self, request: Request) -> ChangeSet | NestedChanges:
        """Parse the values of new rows."""
        scopes = scopes_of_write(self._table_context, request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.create_many(request, body)
        return await read_body(
            await json_body(request), partial(self._rows.create_many, scopes=scopes)
        )

    async def update(self, request: Request, key: Key) -> ChangeSet | NestedChanges:
        """Parse the changed values of a row."""
        scopes = scopes_of_write(self._table_context, request)
        expected = _expected(request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.update(request, body, key, expected)
        return await read_body(
            await json_body(request),
            partial(
                self._rows.update,
                scopes=scopes,
                key=key,
                expected=expected,
                with_instance=self._has_hooks("update"),
            ),
        )

    async def update_many(self, request: Request) -> ChangeSet:
        """Parse the keys and the changed values of rows."""
        scopes = scopes_of_write(self._table_context, request)
        return await read_body(
            await json_body(request), partial(self._rows.update_many, scopes=scopes)
        )

    def _has_hooks(self, kind: WriteKind) -> bool:
        return kind in self._table.hooks.kinds

    def delete(self, request: Request, key: Key) -> ChangeSet:
        """Parse the deletion of a row."""
        scopes = scopes_of_write(self._table_context, request)
        return self._rows.delete([key], scopes, _expected(request))

    def delete_many(self, request: Request) -> ChangeSet:
        """Parse the keys of rows to delete."""
        scopes = scopes_of_write(self._table_context, request, has_query=True)
        segments = []
        usage = "Name the rows to delete: key=1&key=2"
        for name, value in query_of(request, "key".__eq__, max(MAX_PARAMETERS, self._max_rows)):
            if name != "key":
                message = f"Unknown parameter {name}. {usage}"
                raise QueryError([error_entry("batch", ("query", name), message)])
            segments.append(value)
        if not segments:
            raise QueryError([error_entry("batch", ("query", "key"), usage)])
        check_batch_size(len(segments), self._max_rows, ("query", "key"))
        key_of, loc = self._table_context.key_of, ("query", "key")
        keys = [key_of(request, segment, loc) for segment in segments]
        return self._rows.delete(keys, scopes)


def scopes_of_write(
    table_context: ResourceContext, request: Request, *, has_query: bool = False
) -> Scopes:
    """Return the scopes of a write request.

    Args:
        table_context: The written table.
        request: The request.
        has_query: Whether the request may have query parameters.

    Raises:
        HTTPException: 401 or 403, a scope denies access.
        QueryError: The request has query parameters, and may not.
    """
    scopes = table_context.scopes(request, writing=True)
    if not has_query:
        refuse_query_parameters(request)
    return scopes


def _expected(request: Request) -> frozenset[str] | None:
    return expected_versions(request.headers.getlist("if-match"))
