"""Writing: one statement with RETURNING where it can be, one transaction where it cannot."""

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
from colonnade.resources._row_writes import Key, RowWrites, Write, unreachable
from colonnade.resources._table_context import TableContext, rendered
from colonnade.resources._write_rules import Values, explained
from colonnade.resources.answers._bodies import JSONBody, json_body, read_body
from colonnade.resources.answers._etags import expected_rows
from colonnade.resources.answers._unreadable import FAILURES, name_unreadable, row_of_key
from colonnade.resources.routes._idempotency import IdempotentRequest, Receipts, RequestFingerprint
from colonnade.resources.routes._request_context import RequestContext, context_of

DONE = to_json({"ok": True})


class Writes:
    """The writing operations of one subject.

    Args:
        subject: The table.
        hooks: What the program does before and after.
        idempotency: Where answers are kept for requests that come twice.
    """

    def __init__(
        self, subject: TableContext, hooks: Hooks, idempotency: type[Idempotency] | None
    ) -> None:
        self.subject = subject
        self.hooks = hooks
        self.receipts = Receipts(subject, idempotency) if idempotency is not None else None
        self.rows = RowWrites(subject)

    async def create(self, request: Request) -> Response:
        """Create a row: 201."""
        context, subject = context_of(request), self.subject
        scopes = subject.scopes(request)
        scope_values = scopes.values(subject.shape.table)
        body = await json_body(request)
        values = await read_body(body, partial(subject.create.read, scope_values=scope_values))
        write = Write("create", values, scopes)
        path = path_of(request).rstrip("/")

        def respond(row: Any) -> Response:
            answer = rendered(subject.view, row.body)
            key = subject.keys.write(from_json(row.key))
            headers = {"Location": f"{path}/{key}", "ETag": subject.tags.of(row.state, answer)}
            return JSONBody(answer, 201, headers)

        once = self.once(request, body, scopes)
        if once is None:
            return respond(await self._unit(context, write))

        def insert(connection: Connection) -> Any:
            return self.rows(connection, write.copy())

        async def hooked(session: AsyncSession, run: RunStatements) -> Any:
            return await self.hooked(session, run, write.copy())

        between = hooked if self.hooks.any("create") else None
        work = once.answer(context, insert, between, respond)
        answer: Response = await self.explained(context, work, [write.values])
        return answer

    async def update(self, request: Request, key: Key) -> Response:
        """Change what the body names: 200."""
        context, subject = context_of(request), self.subject
        scopes = subject.scopes(request)
        values = await read_body(await json_body(request), subject.update.read)
        expected = expected_rows(request.headers.getlist("if-match"))
        try:
            row = await self._unit(context, Write("update", values, scopes, key, expected))
            body = rendered(subject.view, row.body)
        except FAILURES as error:
            row_of = partial(row_of_key, subject, key, scopes)
            await name_unreadable(context, error, subject, subject.view, scopes, row_of)
            raise
        return JSONBody(body, 200, {"ETag": subject.tags.of(row.state, body)})

    async def delete(self, request: Request, key: Key) -> Response:
        """Delete a row: 200."""
        context, subject = context_of(request), self.subject
        scopes = subject.scopes(request)
        expected = expected_rows(request.headers.getlist("if-match"))
        try:
            await self._unit(context, Write("delete", {}, scopes, key, expected))
        except FAILURES as error:
            row_of = partial(row_of_key, subject, key, scopes)
            await name_unreadable(context, error, subject, subject.view, scopes, row_of)
            raise
        return JSONBody(DONE)

    def once(self, request: Request, body: bytes, scopes: Scopes) -> IdempotentRequest | None:
        """How a request with an ``Idempotency-Key`` is answered; None for one without."""
        if self.receipts is None:
            return None
        receipt = RequestFingerprint.of(request, body, scopes)
        return None if receipt is None else IdempotentRequest(self.receipts, receipt)

    async def explained(
        self, context: RequestContext, work: Awaitable[Any], rows: list[Values]
    ) -> Any:
        """``work``, with the foreign key named that the database did not name."""
        return await explained(context, self.subject, work, self.rows.foreign, rows)

    async def hooked(self, session: AsyncSession, run: RunStatements, write: Write) -> Any:
        """A write between its hooks.

        Args:
            session: The session of the transaction.
            run: Runs Core statements on it.
            write: The write, whose values the hooks may change.
        """
        operation, key = write.operation, write.key
        if operation != "create":
            # Before a hook, which may reveal the row: it exists, inside the scope.
            await run(lambda connection: self.rows.seen(connection, write))
        argument = key if operation == "delete" else write.values
        await self.hooks.run("before", operation, session, argument)
        await session.flush()
        row = await run(lambda connection: self.rows(connection, write))
        if not self.hooks.has("after", operation):
            return row
        if operation == "delete":
            await self.hooks.run("after", operation, session, key)
            return row
        identity = self.rows.identity(row)
        instance = await session.get(self.subject.shape.model, identity, populate_existing=True)
        await self.hooks.run("after", operation, session, instance)
        await session.flush()
        scopes = write.scopes

        def current(connection: Connection) -> Any:
            return self.rows.shown(self.rows.current(connection, identity, scopes))

        return await run(current) or row

    async def _unit(self, context: RequestContext, write: Write) -> Any:
        """Run a write: by itself, or between hooks in a session's transaction."""
        subject = self.subject
        deleting = write.operation == "delete"
        work: Awaitable[Any]
        if self.hooks.any(write.operation):

            async def unit(session: AsyncSession, run: RunStatements) -> Any:
                return await self.hooked(session, run, write.copy())

            work = subject.run_hooked(context, unit, deleting=deleting)
        elif self.rows.is_single_statement(write):
            work = self._alone(context, write.copy())
        else:
            work = subject.run(
                context,
                lambda connection: self.rows(connection, write.copy()),
                begin=self.rows.takes_several(write),
                deleting=deleting,
            )
        key = zip((column.name for column in subject.shape.primary_key), write.key, strict=False)
        return await self.explained(context, work, [{**dict(key), **write.values}])

    async def _alone(self, context: RequestContext, write: Write) -> Any:
        """A write that is one statement; two, if it meets no row for one of several reasons."""
        subject = self.subject
        statement, references = self.rows.statement(write)
        row = await subject.run(context, statement, deleting=write.operation == "delete")
        if row is not None:
            return row
        if write.operation == "create":
            raise unreachable(references)
        if self.rows.has_one_reason(write, references):
            raise subject.not_found()
        return await subject.run(
            context,
            lambda connection: self.rows.again(connection, write.copy()),
            begin=True,
            deleting=write.operation == "delete",
        )
