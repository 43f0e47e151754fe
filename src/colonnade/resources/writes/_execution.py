"""The last step of a write: its statements and hooks run in a transaction, or as one statement."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.database import StatementBatch
from colonnade.errors import QueryError
from colonnade.models import Idempotency
from colonnade.resources._hook_parameters import provided_of
from colonnade.resources.responses._bodies import json_body
from colonnade.resources.responses._problems import Problem
from colonnade.resources.responses._unreadable import (
    FAILURES,
    name_unreadable,
    row_of_key,
    rows_of_keys,
)
from colonnade.resources.routes._idempotency import (
    IdempotentRequest,
    RequestFingerprint,
    ResponseStore,
)
from colonnade.resources.routes._request_context import RequestContext, context_of
from colonnade.resources.writes._foreign_key_names import name_foreign_key
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.resources.writes._upsert_execution import retry_upserts, run_upserts
from colonnade.resources.writes.nested._execution import run_nested
from colonnade.rows import UnreadableRowError
from colonnade.writes import (
    Change,
    ChangeSet,
    Committed,
    NestedChanges,
    Provided,
    RejectedError,
    RunStatements,
    Values,
    missing_reference,
)

T = TypeVar("T")

WriteWithHooks = Callable[[AsyncSession, RunStatements], Awaitable[list[Any]]]
Respond = Callable[[Sequence[Any]], Response]
"""Builds the response from the written rows."""


class WriteExecution:
    """Executes the changes of one table, with hooks and ``Idempotency-Key``.

    Args:
        table: The table.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
    """

    def __init__(self, table: ResourceTable, idempotency: type[Idempotency] | None) -> None:
        table_context = table.table_context
        self._table = table
        self.table_context = table_context
        self.hooks = table.hooks
        self.writer = table.writer
        self.hooked = table.hooked
        self._response_store = (
            ResponseStore(table_context, idempotency) if idempotency is not None else None
        )

    async def run(
        self, request: Request, changes: ChangeSet | NestedChanges, respond: Respond
    ) -> Response:
        """Execute changes, and return the response.

        Args:
            request: The request.
            changes: The changes.
            respond: Builds the response from the written rows.
        """
        context = context_of(request)
        committed: list[Committed] = []
        provided: Provided = {}
        idempotent_request = None
        if self._response_store is not None:
            idempotent_request = await self._idempotent_request(request, changes)
        if isinstance(changes, NestedChanges):
            return await run_nested(
                self.table_context, request, changes, idempotent_request, respond
            )
        with_hooks, is_upsert = None, changes.is_upsert
        if changes.kind in self.hooks.kinds or (is_upsert and "update" in self.hooks.kinds):
            provided = provided_of(request)
            with_hooks = partial(self._write_with_hooks, changes, provided, committed)

        def execute(*, one_by_one: bool = False) -> Awaitable[Any]:
            if idempotent_request is None:
                return self._write(context, changes, with_hooks, one_by_one=one_by_one)
            write = self.writer.write_one_by_one if one_by_one else self.writer
            return idempotent_request.run(
                context,
                lambda connection: write(connection, changes.copy()),
                with_hooks,
                respond,
            )

        if is_upsert:
            hooked = with_hooks is not None
            work: Awaitable[Any] = retry_upserts(
                self.table_context, changes, execute, hooked=hooked
            )
        elif with_hooks is None and self._may_refuse_a_later_row(changes):
            work = _refuse_first_row(execute(), partial(execute, one_by_one=True))
        else:
            work = execute()
        try:
            written: Any = await work
            response: Response = written if idempotent_request else respond(written)
        except FAILURES as error:
            await self._name_cause(context, changes, error)
            if isinstance(error, RejectedError) and not isinstance(error, Problem):
                raise Problem.of(error) from error.__cause__
            raise
        if committed and context.may_call_committed(
            waiting=self.hooks.waiting(kind for kind, _ in committed)
        ):
            for kind, arguments in committed:
                await self.hooks.run_committed(kind, arguments, provided)
        return response

    def _may_refuse_a_later_row(self, changes: ChangeSet) -> bool:
        """Whether rows are written together, so that the error may not be that of the first."""
        is_together = len(changes.changes) > 1 and self.writer.bulk_statements.is_available
        return is_together and changes.kind != "delete"

    async def _write(
        self,
        context: RequestContext,
        changes: ChangeSet,
        with_hooks: WriteWithHooks | None,
        *,
        one_by_one: bool,
    ) -> Sequence[Any]:
        """Execute changes in the cheapest way that has all checks, and return the rows."""
        table_context, writer = self.table_context, self.writer
        deleting = changes.kind == "delete"
        if with_hooks is not None:
            return await table_context.run_hooked(context, with_hooks, deleting=deleting)
        if changes.is_upsert:
            return await run_upserts(context, table_context, writer, changes)
        if one_by_one:
            return await table_context.run(
                context,
                lambda connection: writer.write_one_by_one(connection, changes.copy()),
                begin=True,
            )
        is_single = len(changes.changes) == 1
        if is_single and writer.rows.is_single_statement(changes.changes[0]):
            return [await self._run_statement(context, changes.changes[0])]
        bulk = None
        if not is_single and not writer.rows.renders_before_commit:
            bulk = writer.bulk(changes)
        if bulk is not None:
            begin = changes.kind == "update" or isinstance(bulk, StatementBatch)
            return await table_context.run(context, bulk, begin=begin)
        return await table_context.run(
            context,
            lambda connection: writer(connection, changes.copy()),
            begin=not is_single or writer.rows.needs_transaction(changes.changes[0]),
            deleting=deleting,
        )

    async def _run_statement(self, context: RequestContext, change: Change) -> Any:
        """Run a single-statement write; a second one finds out why it returned no row."""
        table_context, rows = self.table_context, self.writer.rows
        statement, references = rows.statement(change.copy())
        deleting = change.kind == "delete"
        row = await table_context.run(context, statement, deleting=deleting)
        if row is not None:
            return row
        if change.kind == "create":
            raise Problem.of(missing_reference(references))
        if rows.no_row_means_not_found(change, references):
            raise table_context.not_found()
        return await table_context.run(
            context,
            lambda connection: rows.retry_locked(connection, change.copy()),
            begin=True,
            deleting=deleting,
        )

    async def _write_with_hooks(
        self,
        changes: ChangeSet,
        provided: Provided,
        committed: list[Committed],
        session: AsyncSession,
        run: RunStatements,
    ) -> list[Any]:
        """Execute changes with their hooks, in the session of the transaction.

        Args:
            changes: The changes.
            provided: The values of the hooks' parameters that FastAPI provides.
            committed: Gets the arguments of the hooks after the commit, for each row.
            session: The session.
            run: Runs Core statements on it.
        """
        committed.clear()  # of an attempt that was rolled back
        rows, arguments = await self.hooked.write(changes.copy(), provided, session, run)
        committed += arguments
        return rows

    async def _idempotent_request(
        self, request: Request, changes: ChangeSet | NestedChanges
    ) -> IdempotentRequest | None:
        """Return the idempotent form of a POST; None if it has no ``Idempotency-Key``."""
        if self._response_store is None or request.method != "POST":
            return None
        body = await json_body(request)
        if isinstance(changes, ChangeSet) and changes.is_upsert:
            body += b"\0" + request.scope["query_string"]
        chosen = self._table.fingerprints
        fingerprint = RequestFingerprint.of(request, body, changes.scopes, chosen)
        return None if fingerprint is None else IdempotentRequest(self._response_store, fingerprint)

    def _written_values(self, changes: ChangeSet) -> list[Values]:
        """The values of each row, its key included, by field."""
        names = [column.name for column in self.table_context.shape.primary_key]
        scoped = changes.scopes.values(self.table_context.shape.table)
        return [
            {**scoped, **dict(zip(names, change.key, strict=False)), **change.values}
            for change in changes.changes
        ]

    async def _name_cause(
        self, context: RequestContext, changes: ChangeSet, error: Exception
    ) -> None:
        """Raise the problem that names what the database did not: a foreign key, or a value."""
        await name_foreign_key(
            context,
            self.table_context,
            error,
            self.writer.rows.foreign_keys,
            lambda: self._written_values(changes),
        )
        if changes.kind == "create":
            return
        table_context, scopes, keys = self.table_context, changes.scopes, changes.keys
        if len(keys) == 1:
            chosen = partial(row_of_key, table_context, keys[0], scopes)
        elif isinstance(error, UnreadableRowError):  # which names its row already
            return
        else:
            chosen = partial(rows_of_keys, table_context, keys, scopes)
        await name_unreadable(context, error, table_context, table_context.view, scopes, chosen)


async def _refuse_first_row(work: Awaitable[T], one_by_one: Callable[[], Awaitable[T]]) -> T:
    """Await ``work``; if it is refused, repeat it row by row, so that the error is that of a row.

    Args:
        work: Writes rows together.
        one_by_one: Writes them in their order, in a new transaction.

    Raises:
        Problem: 404, 409 or 422, the first row that is refused.
        QueryError: The same, of a row that is not valid.
    """
    try:
        return await work
    except (RejectedError, QueryError) as error:
        if getattr(error, "status_code", 422) >= 500:
            raise
    return await one_by_one()
