"""The last step of a nested write: the rows of a body, in one transaction."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fastapi import HTTPException, Request, Response
from sqlalchemy import Connection
from sqlmodel.ext.asyncio.session import AsyncSession

from colonnade.errors import QueryError
from colonnade.resources._hook_parameters import provided_of
from colonnade.resources._table_context import ResourceContext
from colonnade.resources.routes._idempotency import IdempotentRequest
from colonnade.resources.routes._request_context import context_of
from colonnade.writes import (
    HookCalls,
    NestedChanges,
    NestedCommitted,
    NestedWriter,
    Provided,
    RejectedError,
    RunStatements,
    WrittenRow,
    planned_writes,
    single_statement,
)

Respond = Callable[[Sequence[Any]], Response]
"""Builds the response from the written rows."""


async def run_nested(
    table_context: ResourceContext,
    request: Request,
    changes: NestedChanges,
    idempotent_request: IdempotentRequest | None,
    respond: Respond,
) -> Response:
    """Execute a nested body, and return the response.

    The rows of each table are written together. If a row is refused, they are written one by one
    in a new transaction, so that the error names the row.

    Args:
        table_context: The table of the Resource.
        request: The request.
        changes: The rows.
        idempotent_request: The request, if it has an ``Idempotency-Key``.
        respond: Builds the response from the written rows.

    Raises:
        Problem: 404, 409, 412 or 422, with the path of the row.
        QueryError: A model does not accept a row.
    """
    committed: list[NestedCommitted] = []
    provided = provided_of(request)

    async def attempt(*, one_by_one: bool) -> Response:
        context = context_of(request)

        def work(connection: Connection) -> list[WrittenRow]:
            writer = NestedWriter(connection, one_by_one=one_by_one)
            return writer.write_all(changes.copy().rows)

        with_hooks = None
        if changes.has_hooks:
            with_hooks = partial(_write_with_hooks, changes, provided, committed)
        if idempotent_request is not None:
            return await idempotent_request.run(context, work, with_hooks, respond)
        if with_hooks is not None:
            return respond(await table_context.run_hooked(context, with_hooks))
        statement = None if one_by_one else single_statement(changes)
        if statement is not None:
            row = await table_context.run(context, statement)
            if row is not None:
                return respond([row])
        planned = None if one_by_one else planned_writes(changes)
        return respond(await table_context.run(context, planned or work, begin=True))

    try:
        response = await attempt(one_by_one=False)
    except (RejectedError, QueryError) as error:
        if changes.has_hooks or getattr(error, "status_code", 422) >= 500:
            raise
        response = await attempt(one_by_one=True)
    waiting = any(hooks.waiting((kind,)) for hooks, kind, _ in committed)
    if context_of(request).may_call_committed(waiting=waiting):
        for hooks, kind, arguments in committed:
            await hooks.run_committed(kind, arguments, provided)
    return response


async def _write_with_hooks(
    changes: NestedChanges,
    provided: Provided,
    committed: list[NestedCommitted],
    session: AsyncSession,
    run: RunStatements,
) -> list[WrittenRow]:
    calls = HookCalls(session, run, provided, (HTTPException,))

    def write(connection: Connection) -> list[WrittenRow]:
        return NestedWriter(connection, calls, one_by_one=True).write_all(changes.copy().rows)

    rows: list[WrittenRow] = await run(write)
    committed[:] = calls.committed  # those of an attempt that was rolled back are gone
    return rows
