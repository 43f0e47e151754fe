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
from colonnade.resources._bulk_statements import ManyRows
from colonnade.resources._hooks import RunStatements
from colonnade.resources._reads import MOST_PARAMETERS, query_of
from colonnade.resources._row_locks import after, lock_in_order
from colonnade.resources._row_writes import Write
from colonnade.resources._table_context import rendered
from colonnade.resources._write_rules import Values
from colonnade.resources._writes import DONE, Writes
from colonnade.resources.answers._bodies import JSONBody, json_body, read_body
from colonnade.resources.answers._unreadable import FAILURES, name_unreadable, rows_of_keys
from colonnade.resources.routes._request_context import context_of
from colonnade.rows import MAX_ERRORS, UnreadableRowError, check_batch_size


class Batches:
    """The operations on many rows of one subject.

    Args:
        writes: The operations on one.
        most: Rows in a batch at most.
    """

    def __init__(self, writes: Writes, most: int) -> None:
        self.writes = writes
        self.subject = writes.subject
        self.most = most
        self._many = ManyRows(writes.rows.statements)

    async def create(self, request: Request) -> Response:
        """Create rows: 201, in the order of the body."""
        context = context_of(request)
        scopes = self.subject.scopes(request)
        scope_values = scopes.values(self.subject.shape.table)
        body = await json_body(request)
        rows = await read_body(body, partial(self._rows, scope_values=scope_values))
        writes = self.writes

        def insert(connection: Connection) -> list[Any]:
            return self._insert(connection, rows, scopes)

        async def hooked(session: AsyncSession, run: RunStatements) -> list[Any]:
            return [
                await writes.hooked(session, run, Write("create", dict(values), scopes))
                for values in rows
            ]

        between = hooked if writes.hooks.any("create") else None
        once = writes.once(request, body, scopes)
        if once is not None:
            work = once.answer(context, insert, between, lambda created: self._answer(created, 201))
            answer: Response = await writes.explained(context, work, rows)
            return answer
        if between is not None:
            unit = self.subject.run_hooked(context, between)
        elif writes.rows.renders:
            unit = self.subject.run(context, insert, begin=True)
        elif (many := self._many.insert(rows, scopes)) is not None:
            unit = self.subject.run(context, many, begin=isinstance(many, StatementBatch))
        else:
            unit = self.subject.run(context, insert, begin=True)
        return self._answer(await writes.explained(context, unit, rows), 201)

    async def update(self, request: Request) -> Response:
        """Change rows, each named by its key in the body: 200, in the order of the body."""
        context = context_of(request)
        scopes = self.subject.scopes(request)
        changes = await read_body(await json_body(request), self._changes)
        writes = self.writes

        keys = [key for key, _ in changes]

        def work(connection: Connection) -> list[Any]:
            self._lock(connection, keys, scopes)
            return [
                writes.rows(connection, Write("update", dict(values), scopes, key))
                for key, values in changes
            ]

        async def hooked(session: AsyncSession, run: RunStatements) -> list[Any]:
            rows = []
            await run(lambda connection: self._lock(connection, keys, scopes))
            for key, values in changes:
                write = Write("update", dict(values), scopes, key)
                rows.append(await writes.hooked(session, run, write))
            return rows

        if writes.hooks.any("update"):
            unit = self.subject.run_hooked(context, hooked)
        else:
            many = None if writes.rows.judges else self._many.update(changes, scopes)

            def change(connection: Connection) -> list[Any]:
                return [writes.rows.shown(row) for row in (many or work)(connection)]

            unit = self.subject.run(
                context, change if writes.rows.renders else many or work, begin=True
            )
        names = [column.name for column in self.subject.shape.primary_key]
        rows = [{**dict(zip(names, key, strict=True)), **values} for key, values in changes]
        try:
            return self._answer(await writes.explained(context, unit, rows), 200)
        except FAILURES as error:
            if not isinstance(error, UnreadableRowError):  # which is of one row of them
                chosen = partial(rows_of_keys, self.subject, [key for key, _ in changes], scopes)
                await name_unreadable(
                    context, error, self.subject, self.subject.view, scopes, chosen
                )
            raise

    async def delete(self, request: Request) -> Response:
        """Delete the rows of these keys: 200."""
        context = context_of(request)
        scopes = self.subject.scopes(request)
        segments = []
        for name, value in query_of(request, max(MOST_PARAMETERS, self.most)):
            if name != "key":
                message = f"Unknown parameter {name}: name the rows with key=1&key=2"
                raise QueryError([error_entry("batch", ("query", name), message)])
            segments.append(value)
        if not segments:
            raise QueryError(
                [error_entry("batch", ("query", "key"), "Name the rows to delete: key=1&key=2")]
            )
        check_batch_size(len(segments), self.most, ("query", "key"))
        keys = list(
            dict.fromkeys(self.subject.key(segment, ("query", "key")) for segment in segments)
        )
        writes = self.writes

        async def hooked(session: AsyncSession, run: RunStatements) -> None:
            # All rows go at once: one that another takes along is there until then.
            await run(lambda connection: self._lock(connection, keys, scopes))
            for key in keys:
                write = Write("delete", {}, scopes, key)
                await run(partial(writes.rows.seen, write=write))
                await writes.hooks.run("before", "delete", session, key)
            await session.flush()
            await run(lambda connection: self._remove(connection, keys, scopes))
            for key in keys:
                await writes.hooks.run("after", "delete", session, key)

        if writes.hooks.any("delete"):
            await self.subject.run_hooked(context, hooked, deleting=True)
        else:
            await self.subject.run(
                context,
                lambda connection: self._remove(connection, keys, scopes),
                begin=True,
                deleting=True,
            )
        return JSONBody(DONE)

    def _insert(self, connection: Connection, rows: list[Values], scopes: Scopes) -> list[Any]:
        """Insert rows, in as few statements as can be."""
        many = self._many.insert(rows, scopes)
        if many is not None:
            return [self.writes.rows.shown(row) for row in many(connection)]
        write = self.writes.rows
        return [write(connection, Write("create", dict(row), scopes)) for row in rows]

    def _remove(self, connection: Connection, keys: list[tuple[Any, ...]], scopes: Scopes) -> None:
        shape, table = self.subject.shape, self.subject.shape.table
        columns = [column.column for column in shape.primary_key]
        reached = self._reached(table, keys, scopes)
        count = select(func.count()).select_from(table).where(reached)
        parameters = dict(scopes.binds())
        # SQLite does not return a row that another of them took along (ON DELETE CASCADE).
        counted = self.subject.backend == "sqlite"
        there = connection.execute(count, parameters).scalar_one() if counted else 0
        statement = delete(table).where(reached).returning(*columns)
        if not counted and len(keys) > 1:
            rows = table.alias()
            locked = lock_in_order(shape, rows, self._reached(rows, keys, scopes))
            statement = statement.where(after(locked))
        gone = connection.execute(statement, parameters).all()
        if max(there, len(gone)) < len(keys):
            raise self.subject.not_found()

    def _reached(
        self, rows: FromClause, keys: list[tuple[Any, ...]], scopes: Scopes
    ) -> ColumnElement[bool]:
        """The condition on the rows that have these keys, and can be reached."""
        shape = self.subject.shape
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
        """Lock the rows before any of them is changed: in their order, whatever the body's is."""
        if self.subject.backend == "postgresql" and len(keys) > 1:
            shape = self.subject.shape
            rows = shape.table.alias()
            locked = lock_in_order(shape, rows, self._reached(rows, keys, scopes))
            connection.execute(locked, dict(scopes.binds()))

    def _rows(self, body: bytes, scope_values: Mapping[str, Any]) -> list[Values]:
        """The values of each row of the body."""
        inputs = self.subject.create
        parsed = inputs.parse_list(body, self.most, scope_values=scope_values)
        return [
            inputs.values(row, ("body", index), scope_values) for index, row in enumerate(parsed)
        ]

    def _changes(self, body: bytes) -> list[tuple[tuple[Any, ...], Values]]:
        """The key and the values of each row of the body."""
        try:
            rows = self.subject.update.parse_json(body or b"null")
        except ValueError as error:
            raise QueryError(
                [error_entry("batch", ("body",), f"The body is not valid JSON: {error}")]
            ) from None
        if not isinstance(rows, list):
            raise QueryError(
                [error_entry("batch", ("body",), "The body must be a JSON array of objects")]
            )
        check_batch_size(len(rows), self.most, ("body",))
        errors: list[dict[str, Any]] = []
        changes = []
        for index, row in enumerate(rows):
            try:
                changes.append(self._change(row, ("body", index)))
            except QueryError as error:
                errors += error.errors
            if len(errors) >= MAX_ERRORS:
                break
        if errors:
            raise QueryError(errors)
        return changes

    def _change(self, row: Any, loc: tuple[Any, ...]) -> tuple[tuple[Any, ...], Values]:
        if not isinstance(row, dict):
            raise QueryError([error_entry("batch", loc, "Each row must be a JSON object")])
        rest = dict(row)
        key = []
        subject = self.subject
        for name, column in zip(subject.key_names, subject.shape.primary_key, strict=True):
            if name not in rest:
                raise QueryError(
                    [error_entry("batch", (*loc, name), "The key of the row is required")]
                )
            try:
                key.append(read_value(column)(rest.pop(name)))
            except ValidationError as error:
                message = error.errors()[0]["msg"]
                raise QueryError([error_entry("batch", (*loc, name), message)]) from None
        return tuple(key), self.subject.update.read(to_json(rest), loc)

    def _answer(self, rows: list[Any], status: int) -> Response:
        view = self.subject.view
        body = b"[" + b",".join(rendered(view, row.body) for row in rows) + b"]"
        return JSONBody(body, status)
