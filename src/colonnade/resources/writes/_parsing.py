"""The first step of a write: a request becomes a ``ChangeSet``."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes, read_value
from colonnade.resources._reads import MAX_PARAMETERS, query_of, refuse_query_parameters
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.responses._etags import expected_versions
from colonnade.resources.writes._changes import Change, ChangeSet, Key
from colonnade.resources.writes._rules import Values
from colonnade.resources.writes.nested._requests import NestedParser
from colonnade.resources.writes.nested._rows import NestedChanges
from colonnade.resources.writes.nested._tables import NestedRelation, WritableTable
from colonnade.rows import MAX_ERRORS, NO_VALUES, BodyReader, check_batch_size

Parsed = tuple[Values, BaseModel]
"""The values of a body by field, and the validated schema."""


class RequestParser:
    """Parses the write requests of one table.

    Args:
        table: The table.
        max_rows: The maximum number of rows in a batch, and nested in a row.
    """

    def __init__(self, table: WritableTable, max_rows: int) -> None:
        self.table_context = table.table_context
        self.max_rows = max_rows
        self._table = table
        self._nested = NestedParser(table, max_rows)

    async def create(self, request: Request) -> ChangeSet | NestedChanges:
        """Parse the values of a new row."""
        scopes, scope_values = self._scopes(request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.create(request, body)
        read = partial(_read, self.table_context.create, scope_values=scope_values)
        values, instance = await read_body(await json_body(request), read)
        change = Change("create", values, scopes, body=instance)
        return ChangeSet("create", [change], scopes)

    async def create_in(
        self, request: Request, relation: NestedRelation
    ) -> ChangeSet | NestedChanges:
        """Parse the values of a new row in a relation, which sets its foreign key."""
        scopes, scope_values = self._scopes(request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.create(request, body, relation.omitted)
        reader = relation.target.reader("create", relation.omitted)
        read = partial(_read, reader, scope_values=scope_values)
        values, instance = await read_body(await json_body(request), read)
        change = Change("create", values, scopes, body=instance, reader=reader)
        return ChangeSet("create", [change], scopes)

    async def create_many(self, request: Request) -> ChangeSet | NestedChanges:
        """Parse the values of new rows."""
        scopes, scope_values = self._scopes(request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.create_many(request, body)
        read = partial(self._read_rows, scope_values=scope_values)
        rows = await read_body(await json_body(request), read)
        changes = [Change("create", values, scopes, body=instance) for values, instance in rows]
        return ChangeSet("create", changes, scopes)

    async def update(self, request: Request, key: Key) -> ChangeSet | NestedChanges:
        """Parse the changed values of a row."""
        scopes, _ = self._scopes(request)
        if self._table.relations and (body := await self._nested.body(request)):
            return await self._nested.update(request, body, key, _expected(request))
        read = partial(_read, self.table_context.update)
        values, instance = await read_body(await json_body(request), read)
        change = Change("update", values, scopes, key, _expected(request), instance)
        return ChangeSet("update", [change], scopes)

    async def update_many(self, request: Request) -> ChangeSet:
        """Parse the keys and the changed values of rows."""
        scopes, _ = self._scopes(request)
        changes = [
            Change("update", values, scopes, key, body=instance)
            for key, values, instance in await read_body(
                await json_body(request), self._read_changes
            )
        ]
        return ChangeSet("update", changes, scopes)

    def delete(self, request: Request, key: Key) -> ChangeSet:
        """Parse the deletion of a row."""
        scopes, _ = self._scopes(request)
        change = Change("delete", {}, scopes, key, _expected(request))
        return ChangeSet("delete", [change], scopes)

    def delete_many(self, request: Request) -> ChangeSet:
        """Parse the keys of rows to delete."""
        scopes, _ = self._scopes(request, has_query=True)
        segments = []
        usage = "Name the rows to delete: key=1&key=2"
        for name, value in query_of(request, "key".__eq__, max(MAX_PARAMETERS, self.max_rows)):
            if name != "key":
                message = f"Unknown parameter {name}. {usage}"
                raise QueryError([error_entry("batch", ("query", name), message)])
            segments.append(value)
        if not segments:
            raise QueryError([error_entry("batch", ("query", "key"), usage)])
        check_batch_size(len(segments), self.max_rows, ("query", "key"))
        keys = dict.fromkeys(
            self.table_context.key(segment, ("query", "key")) for segment in segments
        )
        return ChangeSet("delete", [Change("delete", {}, scopes, key) for key in keys], scopes)

    def _scopes(
        self, request: Request, *, has_query: bool = False
    ) -> tuple[Scopes, Mapping[str, Any]]:
        """The scopes of a request, and the values that they give a new row."""
        scopes = self.table_context.scopes(request, writing=True)
        if not has_query:
            refuse_query_parameters(request)
        return scopes, scopes.values(self.table_context.shape.table)

    def _read_rows(self, body: bytes, scope_values: Mapping[str, Any]) -> list[Parsed]:
        inputs = self.table_context.create
        parsed = inputs.parse_list(body, self.max_rows, scope_values=scope_values)
        return [
            (inputs.values(row, ("body", index), scope_values), row)
            for index, row in enumerate(parsed)
        ]

    def _read_changes(self, body: bytes) -> list[tuple[Key, Values, BaseModel]]:
        try:
            payload = self.table_context.update.parse_json(body or b"null")
        except ValueError as error:
            raise _batch_error(("body",), f"The body is not valid JSON: {error}") from None
        if not isinstance(payload, list):
            raise _batch_error(("body",), "The body must be a JSON array of objects")
        check_batch_size(len(payload), self.max_rows, ("body",))
        errors: list[dict[str, Any]] = []
        changes = []
        for index, row in enumerate(payload):
            try:
                changes.append(self._read_change(row, ("body", index)))
            except QueryError as error:
                errors += error.errors
            if len(errors) >= MAX_ERRORS:
                break
        if errors:
            raise QueryError(errors)
        return changes

    def _read_change(self, row: Any, loc: tuple[Any, ...]) -> tuple[Key, Values, BaseModel]:
        if not isinstance(row, dict):
            raise _batch_error(loc, "Each row must be a JSON object")
        rest = dict(row)
        key = []
        table_context = self.table_context
        columns = table_context.shape.primary_key
        for name, column in zip(table_context.key_names, columns, strict=True):
            if name not in rest:
                raise _batch_error((*loc, name), "The key of the row is required")
            try:
                key.append(read_value(column)(rest.pop(name)))
            except ValidationError as error:
                raise _batch_error((*loc, name), error.errors()[0]["msg"]) from None
        return (tuple(key), *_read(table_context.update, to_json(rest), loc))


def _read(
    inputs: BodyReader,
    body: bytes,
    loc: tuple[Any, ...] = ("body",),
    scope_values: Mapping[str, Any] = NO_VALUES,
) -> Parsed:
    instance = inputs.parse(body, loc, scope_values)
    return inputs.values(instance, loc, scope_values), instance


def _expected(request: Request) -> frozenset[str] | None:
    return expected_versions(request.headers.getlist("if-match"))


def _batch_error(loc: tuple[Any, ...], message: str) -> QueryError:
    return QueryError([error_entry("batch", loc, message)])
