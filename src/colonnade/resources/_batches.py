"""Batches: many rows in one request, all of them or none."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import Request, Response
from pydantic import ValidationError
from pydantic_core import to_json
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    delete,
    func,
    select,
    tuple_,
    type_coerce,
)
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import StatementBatch
from colonnade.errors import QueryError, error_entry
from colonnade.query import Scopes, compared_type, read_value
from colonnade.resources._bulk_statements import BulkStatements
from colonnade.resources._hooks import RunStatements
from colonnade.resources._reads import MAX_PARAMETERS, query_of
from colonnade.resources._row_locks import after_locking, lock_in_order
from colonnade.resources._row_writes import Write
from colonnade.resources._table_context import render_row
from colonnade.resources._write_rules import Values
from colonnade.resources._writes import OK_BODY, WriteOperations
from colonnade.resources.responses._bodies import JSONBody, json_body, read_body
from colonnade.resources.responses._unreadable import FAILURES, name_unreadable, rows_of_keys
from colonnade.resources.routes._request_context import context_of
from colonnade.rows import MAX_ERRORS, UnreadableRowError, check_batch_size


class BatchOperations:
    """Operations on many rows of one table.

    Args:
        writes: The operations on single rows.
        max_rows: The maximum number of rows in a batch.
    """

    def __init__(self, writes: WriteOperations, max_rows: int) -> None:
        self.writes = writes
        self.table_context = writes.table_context
        self.max_rows = max_rows
        self._bulk = BulkStatements(writes.rows.statements)

    async def create(self, request: Request) -> Response:
        """Create rows; respond with 201 and the rows in the order of the body."""
        context = context_of(request)
        scopes = self.table_context.scopes(request)
        scope_values = scopes.values(self.table_context.shape.table)
        body = await json_body(request)
        rows = await read_body(body, partial(self._read_rows, scope_values=scope_values))
        writes = self.writes

        def insert(connection: Connection) -> list[Any]:
            return self._insert_rows(connection, rows, scopes)

        async def write_with_hooks(session: AsyncSession, run: RunStatements) -> list[Any]:
            return [
                await writes.write_with_hooks(session, run, Write("create", dict(values), scopes))
                for values in rows
            ]

        with_hooks = write_with_hooks if writes.hooks.any("create") else None
        idempotent_request = writes.idempotent_request(request, body, scopes)
        if idempotent_request is not None:
            work = idempotent_request.run(
                context, insert, with_hooks, lambda created: self._response(created, 201)
            )
            response: Response = await writes.name_foreign_key(context, work, rows)
            return response
        if with_hooks is not None:
            unit = self.table_context.run_hooked(context, with_hooks)
        elif writes.rows.renders_before_commit:
            unit = self.table_context.run(context, insert, begin=True)
        elif (bulk := self._bulk.insert(rows, scopes)) is not None:
            unit = self.table_context.run(context, bulk, begin=isinstance(bulk, StatementBatch))
        else:
            unit = self.table_context.run(context, insert, begin=True)
        return self._response(await writes.name_foreign_key(context, unit, rows), 201)

    async def update(self, request: Request) -> Response:
        """Update the rows whose keys are in the body; respond with 200, in that order."""
        context = context_of(request)
        scopes = self.table_context.scopes(request)
        changes = await read_body(await json_body(request), self._read_changes)
        writes = self.writes

        keys = [key for key, _ in changes]

        def work(connection: Connection) -> list[Any]:
            self._lock(connection, keys, scopes)
            return [
                writes.rows(connection, Write("update", dict(values), scopes, key))
                for key, values in changes
            ]

        async def write_with_hooks(session: AsyncSession, run: RunStatements) -> list[Any]:
            updated = []
            await run(lambda connection: self._lock(connection, keys, scopes))
            for key, values in changes:
                write = Write("update", dict(values), scopes, key)
                updated.append(await writes.write_with_hooks(session, run, write))
            return updated

        if writes.hooks.any("update"):
            unit = self.table_context.run_hooked(context, write_with_hooks)
        else:
            bulk = None if writes.rows.has_row_validator else self._bulk.update(changes, scopes)

            def change(connection: Connection) -> list[Any]:
                return [writes.rows.render_if_may_fail(row) for row in (bulk or work)(connection)]

            unit = self.table_context.run(
                context, change if writes.rows.renders_before_commit else bulk or work, begin=True
            )
        names = [column.name for column in self.table_context.shape.primary_key]
        rows = [{**dict(zip(names, key, strict=True)), **values} for key, values in changes]
        try:
            return self._response(await writes.name_foreign_key(context, unit, rows), 200)
        except FAILURES as error:
            if not isinstance(error, UnreadableRowError):  # which names its row already
                chosen = partial(
                    rows_of_keys, self.table_context, [key for key, _ in changes], scopes
                )
                await name_unreadable(
                    context, error, self.table_context, self.table_context.view, scopes, chosen
                )
            raise

    async def delete(self, request: Request) -> Response:
        """Delete the rows with the given keys; respond with 200."""
        context = context_of(request)
        scopes = self.table_context.scopes(request)
        segments = []
        for name, value in query_of(request, "key".__eq__, max(MAX_PARAMETERS, self.max_rows)):
            if name != "key":
                message = f"Unknown parameter {name}. Name the rows to delete: key=1&key=2"
                raise QueryError([error_entry("batch", ("query", name), message)])
            segments.append(value)
        if not segments:
            raise QueryError(
                [error_entry("batch", ("query", "key"), "Name the rows to delete: key=1&key=2")]
            )
        check_batch_size(len(segments), self.max_rows, ("query", "key"))
        keys = list(
            dict.fromkeys(self.table_context.key(segment, ("query", "key")) for segment in segments)
        )
        writes = self.writes

        async def write_with_hooks(session: AsyncSession, run: RunStatements) -> None:
            # One DELETE for all rows: those deleted by a cascade still exist for their hooks.
            await run(lambda connection: self._lock(connection, keys, scopes))
            for key in keys:
                write = Write("delete", {}, scopes, key)
                await run(partial(writes.rows.lock_current, write=write))
                await writes.hooks.run("before", "delete", session, key)
            await session.flush()
            await run(lambda connection: self._delete_rows(connection, keys, scopes))
            for key in keys:
                await writes.hooks.run("after", "delete", session, key)

        if writes.hooks.any("delete"):
            await self.table_context.run_hooked(context, write_with_hooks, deleting=True)
        else:
            await self.table_context.run(
                context,
                lambda connection: self._delete_rows(connection, keys, scopes),
                begin=True,
                deleting=True,
            )
        return JSONBody(OK_BODY)

    def _insert_rows(self, connection: Connection, rows: list[Values], scopes: Scopes) -> list[Any]:
        """Insert rows in as few statements as possible."""
        bulk = self._bulk.insert(rows, scopes)
        if bulk is not None:
            return [self.writes.rows.render_if_may_fail(row) for row in bulk(connection)]
        write = self.writes.rows
        return [write(connection, Write("create", dict(row), scopes)) for row in rows]

    def _delete_rows(
        self, connection: Connection, keys: list[tuple[Any, ...]], scopes: Scopes
    ) -> None:
        shape, table = self.table_context.shape, self.table_context.shape.table
        columns = [column.column for column in shape.primary_key]
        is_selected = self._rows_clause(table, keys, scopes)
        count = select(func.count()).select_from(table).where(is_selected)
        parameters = dict(scopes.binds())
        # RETURNING omits a row that SQLite deletes by ON DELETE CASCADE from another of them.
        counts_first = self.table_context.backend == "sqlite"
        existing = connection.execute(count, parameters).scalar_one() if counts_first else 0
        statement = delete(table).where(is_selected).returning(*columns)
        if not counts_first and len(keys) > 1:
            rows = table.alias()
            locked = lock_in_order(shape, rows, self._rows_clause(rows, keys, scopes))
            statement = statement.where(after_locking(locked))
        deleted = connection.execute(statement, parameters).all()
        if max(existing, len(deleted)) < len(keys):
            raise self.table_context.not_found()

    def _rows_clause(
        self, rows: FromClause, keys: list[tuple[Any, ...]], scopes: Scopes
    ) -> ColumnElement[bool]:
        """The condition that selects the rows with these keys inside the scope."""
        shape = self.table_context.shape
        columns = [
            type_coerce(rows.c[column.column.key], compared_type(column))
            for column in shape.primary_key
        ]
        chosen: Any = (
            columns[0].in_([key[0] for key in keys])
            if len(columns) == 1
            else tuple_(*columns).in_(keys)
        )
        return and_(chosen, *scopes.clauses(shape.table, rows))

    def _lock(self, connection: Connection, keys: list[tuple[Any, ...]], scopes: Scopes) -> None:
        """Lock the rows in the order of their keys before any of them is updated."""
        if self.table_context.backend == "postgresql" and len(keys) > 1:
            shape = self.table_context.shape
            rows = shape.table.alias()
            locked = lock_in_order(shape, rows, self._rows_clause(rows, keys, scopes))
            connection.execute(locked, dict(scopes.binds()))

    def _read_rows(self, body: bytes, scope_values: Mapping[str, Any]) -> list[Values]:
        """Read the values of each row in the body."""
        inputs = self.table_context.create
        parsed = inputs.parse_list(body, self.max_rows, scope_values=scope_values)
        return [
            inputs.values(row, ("body", index), scope_values) for index, row in enumerate(parsed)
        ]

    def _read_changes(self, body: bytes) -> list[tuple[tuple[Any, ...], Values]]:
        """Read the key and the values of each row in the body."""
        try:
            payload = self.table_context.update.parse_json(body or b"null")
        except ValueError as error:
            raise QueryError(
                [error_entry("batch", ("body",), f"The body is not valid JSON: {error}")]
            ) from None
        if not isinstance(payload, list):
            raise QueryError(
                [error_entry("batch", ("body",), "The body must be a JSON array of objects")]
            )
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

    def _read_change(self, row: Any, loc: tuple[Any, ...]) -> tuple[tuple[Any, ...], Values]:
        if not isinstance(row, dict):
            raise QueryError([error_entry("batch", loc, "Each row must be a JSON object")])
        rest = dict(row)
        key = []
        table_context = self.table_context
        for name, column in zip(
            table_context.key_names, table_context.shape.primary_key, strict=True
        ):
            if name not in rest:
                raise QueryError(
                    [error_entry("batch", (*loc, name), "The key of the row is required")]
                )
            try:
                key.append(read_value(column)(rest.pop(name)))
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                raise QueryError([error_entry("batch", (*loc, name), message)]) from None
        return tuple(key), self.table_context.update.read(to_json(rest), loc)

    def _response(self, rows: list[Any], status: int) -> Response:
        view = self.table_context.view
        body = b"[" + b",".join(render_row(view, row.body) for row in rows) + b"]"
        return JSONBody(body, status)
