"""Requests with nested bodies: recognized, parsed, and guarded."""

from typing import Any

from fastapi import Request
from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes
from colonnade.resources._scoping import scopes_of
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.writes._changes import Key
from colonnade.resources.writes._hooks import WriteKind
from colonnade.resources.writes.nested._guards import run_guards
from colonnade.resources.writes.nested._parsing import NestedBody, RawRow
from colonnade.resources.writes.nested._rows import NestedChanges, NestedRow
from colonnade.resources.writes.nested._tables import WritableTable
from colonnade.rows import check_batch_size


class NestedParser:
    """Parses the nested bodies of one Resource.

    Args:
        table: The table of the Resource.
        max_rows: The maximum number of rows in a body.
    """

    def __init__(self, table: WritableTable, max_rows: int) -> None:
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
        parsed = NestedBody(request, self._table, self._max_rows)

        def read(text: bytes) -> list[NestedRow]:
            raw = _object(parsed.load(text), ("body",))
            return parsed.create([(raw, ("body",))], omitted)

        return await self._changes(request, parsed, "create", await read_body(body, read))

    async def create_many(self, request: Request, body: bytes) -> NestedChanges:
        """Parse new rows."""
        parsed = NestedBody(request, self._table, self._max_rows)

        def read(text: bytes) -> list[NestedRow]:
            items = parsed.load(text)
            if not isinstance(items, list):
                message = "The body must be a JSON array of objects"
                raise QueryError([error_entry("batch", ("body",), message)])
            check_batch_size(len(items), self._max_rows, ("body",))
            raw_rows: list[RawRow] = []
            for index, item in enumerate(items):
                loc = ("body", index)
                raw_rows.append((_object(item, loc), loc))
            return parsed.create(raw_rows)

        return await self._changes(request, parsed, "create", await read_body(body, read))

    async def update(
        self,
        request: Request,
        body: bytes,
        key: Key,
        expected: frozenset[str] | None,
    ) -> NestedChanges:
        """Parse the changes of a row."""
        parsed = NestedBody(request, self._table, self._max_rows)

        def read(text: bytes) -> list[NestedRow]:
            raw = _object(parsed.load(text), ("body",))
            return parsed.update(raw, ("body",), key, expected)

        return await self._changes(request, parsed, "update", await read_body(body, read))

    async def _changes(
        self,
        request: Request,
        parsed: NestedBody,
        kind: WriteKind,
        rows: list[NestedRow],
    ) -> NestedChanges:
        await run_guards(request, parsed, kind)
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


def _object(value: Any, loc: tuple[str | int, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = "Input should be a JSON object"
        raise QueryError([error_entry("dict_type", loc, message)])
    return value
