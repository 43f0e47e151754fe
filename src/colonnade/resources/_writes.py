"""Write operations: one statement with RETURNING if possible, one transaction otherwise."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from fastapi import Request, Response
from pydantic_core import from_json, to_json
from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.models import Idempotency
from colonnade.query import Scopes
from colonnade.resources._hooks import Hooks, RunStatements
from colonnade.resources._reads import path_of
from colonnade.resources._row_writes import Key, RowWrites, Write, missing_reference
from colonnade.resources._table_context import TableContext, render_row
from colonnade.resources._write_rules import Values, name_foreign_key
from colonnade.resources.responses._bodies import JSONBody, json_body, read_body
from colonnade.resources.responses._etags import expected_versions
from colonnade.resources.responses._unreadable import FAILURES, name_unreadable, row_of_key
from colonnade.resources.routes._idempotency import (
    IdempotentRequest,
    RequestFingerprint,
    ResponseStore,
)
from colonnade.resources.routes._request_context import RequestContext, context_of

OK_BODY = to_json({"ok": True})


class WriteOperations:
    """The write operations of one table.

    Args:
        table_context: The table.
        hooks: The hooks of the Resource.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
    """

    def __init__(
        self, table_context: TableContext, hooks: Hooks, idempotency: type[Idempotency] | None
    ) -> None:
        self.table_context = table_context
        self.hooks = hooks
        self.response_store = (
            ResponseStore(table_context, idempotency) if idempotency is not None else None
        )
        self.rows = RowWrites(table_context)

    async def create(self, request: Request) -> Response:
        """Create a row; respond with 201."""
        context, table_context = context_of(request), self.table_context
        scopes = table_context.scopes(request)
        scope_values = scopes.values(table_context.shape.table)
        body = await json_body(request)
        values = await read_body(
            body, partial(table_context.create.read, scope_values=scope_values)
        )
        write = Write("create", values, scopes)
        path = path_of(request).rstrip("/")

        def respond(row: Any) -> Response:
            body = render_row(table_context.view, row.body)
            key = table_context.keys.write(from_json(row.key))
            headers = {
                "Location": f"{path}/{key}",
                "ETag": table_context.etags.of(row.state, body),
            }
            return JSONBody(body, 201, headers)

        idempotent_request = self.idempotent_request(request, body, scopes)
        if idempotent_request is None:
            return respond(await self._run(context, write))

        def insert(connection: Connection) -> Any:
            return self.rows(connection, write.copy())

        async def write_with_hooks(session: AsyncSession, run: RunStatements) -> Any:
            return await self.write_with_hooks(session, run, write.copy())

        with_hooks = write_with_hooks if self.hooks.any("create") else None
        work = idempotent_request.run(context, insert, with_hooks, respond)
        response: Response = await self.name_foreign_key(context, work, [write.values])
        return response

    async def update(self, request: Request, key: Key) -> Response:
        """Update the fields in the body; respond with 200."""
        context, table_context = context_of(request), self.table_context
        scopes = table_context.scopes(request)
        values = await read_body(await json_body(request), table_context.update.read)
        expected = expected_versions(request.headers.getlist("if-match"))
        try:
            row = await self._run(context, Write("update", values, scopes, key, expected))
            body = render_row(table_context.view, row.body)
        except FAILURES as error:
            row_of = partial(row_of_key, table_context, key, scopes)
            await name_unreadable(context, error, table_context, table_context.view, scopes, row_of)
            raise
        return JSONBody(body, 200, {"ETag": table_context.etags.of(row.state, body)})

    async def delete(self, request: Request, key: Key) -> Response:
        """Delete a row; respond with 200."""
        context, table_context = context_of(request), self.table_context
        scopes = table_context.scopes(request)
        expected = expected_versions(request.headers.getlist("if-match"))
        try:
            await self._run(context, Write("delete", {}, scopes, key, expected))
        except FAILURES as error:
            row_of = partial(row_of_key, table_context, key, scopes)
            await name_unreadable(context, error, table_context, table_context.view, scopes, row_of)
            raise
        return JSONBody(OK_BODY)

    def idempotent_request(
        self, request: Request, body: bytes, scopes: Scopes
    ) -> IdempotentRequest | None:
        """Return the idempotent form of a request; None if it has no ``Idempotency-Key``."""
        if self.response_store is None:
            return None
        fingerprint = RequestFingerprint.of(request, body, scopes)
        return None if fingerprint is None else IdempotentRequest(self.response_store, fingerprint)

    async def name_foreign_key(
        self, context: RequestContext, work: Awaitable[Any], rows: list[Values]
    ) -> Any:
        """Await ``work``; name the foreign key in a problem if the database does not."""
        return await name_foreign_key(
            context, self.table_context, work, self.rows.foreign_keys, rows
        )

    async def write_with_hooks(
        self, session: AsyncSession, run: RunStatements, write: Write
    ) -> Any:
        """Execute a write with its hooks.

        Args:
            session: The session of the transaction.
            run: Runs Core statements on it.
            write: The write, whose values the hooks may change.
        """
        operation, key = write.operation, write.key
        if operation != "create":
            # Before the hooks, since their errors could reveal a row outside the scope.
            await run(lambda connection: self.rows.lock_current(connection, write))
        hook_argument = key if operation == "delete" else write.values
        await self.hooks.run("before", operation, session, hook_argument)
        await session.flush()
        row = await run(lambda connection: self.rows(connection, write))
        if not self.hooks.has("after", operation):
            return row
        if operation == "delete":
            await self.hooks.run("after", operation, session, key)
            return row
        identity = self.rows.key_of(row)
        instance = await session.get(
            self.table_context.shape.model, identity, populate_existing=True
        )
        await self.hooks.run("after", operation, session, instance)
        await session.flush()
        scopes = write.scopes

        def current(connection: Connection) -> Any:
            return self.rows.render_if_may_fail(self.rows.current(connection, identity, scopes))

        return await run(current) or row

    async def _run(self, context: RequestContext, write: Write) -> Any:
        """Run a write, in a session's transaction if it has hooks."""
        table_context = self.table_context
        deleting = write.operation == "delete"
        work: Awaitable[Any]
        if self.hooks.any(write.operation):

            async def unit(session: AsyncSession, run: RunStatements) -> Any:
                return await self.write_with_hooks(session, run, write.copy())

            work = table_context.run_hooked(context, unit, deleting=deleting)
        elif self.rows.is_single_statement(write):
            work = self._run_statement(context, write.copy())
        else:
            work = table_context.run(
                context,
                lambda connection: self.rows(connection, write.copy()),
                begin=self.rows.needs_transaction(write),
                deleting=deleting,
            )
        key = zip(
            (column.name for column in table_context.shape.primary_key), write.key, strict=False
        )
        return await self.name_foreign_key(context, work, [{**dict(key), **write.values}])

    async def _run_statement(self, context: RequestContext, write: Write) -> Any:
        """Run a single-statement write; a second one finds out why it returned no row."""
        table_context = self.table_context
        statement, references = self.rows.statement(write)
        row = await table_context.run(context, statement, deleting=write.operation == "delete")
        if row is not None:
            return row
        if write.operation == "create":
            raise missing_reference(references)
        if self.rows.no_row_means_not_found(write, references):
            raise table_context.not_found()
        return await table_context.run(
            context,
            lambda connection: self.rows.retry_locked(connection, write.copy()),
            begin=True,
            deleting=write.operation == "delete",
        )
