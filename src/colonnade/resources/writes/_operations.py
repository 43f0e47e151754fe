"""The write operations of a Resource: parse, execute, respond."""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

from fastapi import Request, Response
from pydantic_core import from_json

from colonnade.models import Idempotency
from colonnade.resources._reads import path_of
from colonnade.resources.contract._contract import Contract
from colonnade.resources.responses._bodies import NO_CONTENT, JSONBody, empty_response, ok_response
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.writes._execution import WriteExecution
from colonnade.resources.writes._plain_batches import PlainBatches
from colonnade.resources.writes._requests import RequestParser
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.resources.writes._upsert_requests import UpsertRequestParser
from colonnade.writes import ChangeSet, Key, render_row


class WriteOperations:
    """The write operations of one table.

    Args:
        table: The table.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
        contract: How the Resource answers.
    """

    def __init__(
        self,
        table: ResourceTable,
        idempotency: type[Idempotency] | None,
        contract: Contract,
    ) -> None:
        self._contract = contract
        self.table_context = table.table_context
        self._parser = RequestParser(table, contract.max_limit)
        self._upsert_parser = partial(UpsertRequestParser, table, contract.max_limit)
        self._execution = WriteExecution(table, idempotency)
        self._plain_batches = PlainBatches(table, idempotency, contract.max_limit)

    @cached_property
    def upserts(self) -> UpsertRequestParser:
        """The parser of upserts and replacements, which most Resources do not have."""
        return self._upsert_parser()

    async def create(self, request: Request) -> Response:
        """Create a row; respond with 201."""
        changes = await self._parser.create(request)
        path, status = path_of(request).rstrip("/"), self._contract.status_of("create")
        return await self._execution.run(
            request, changes, lambda rows: self._created_response(rows[0], path, status)
        )

    async def upsert(self, request: Request) -> Response:
        """Create a row, or change or keep the row that it conflicts with; respond with 201 or 200.

        Raises:
            Problem: 409, the row conflicts with one outside the scope, or by another unique key.
        """
        changes = await self.upserts.upsert(request)
        path = path_of(request).rstrip("/")
        return await self._execution.run(
            request, changes, lambda rows: self._upserted_response(rows[0], path)
        )

    async def upsert_many(self, request: Request) -> Response:
        """Upsert rows; respond with 201 if all are new, else with 200, in the order of the body."""
        changes = await self.upserts.upsert_many(request)

        def respond(rows: Sequence[Any]) -> Response:
            return self._rows_response(rows, 201 if all(row.created for row in rows) else 200)

        return await self._execution.run(request, changes, respond)

    async def replace(self, request: Request, key: Key) -> Response:
        """Create the row with a key, or replace it; respond with 201 or 200.

        Raises:
            Problem: 409 as an upsert; 412, ``If-Match`` or ``If-None-Match`` does not hold.
        """
        changes = await self.upserts.replace(request, key)
        path = path_of(request).rpartition("/")[0]

        def respond(rows: Sequence[Any]) -> Response:
            if changes.is_upsert:
                return self._upserted_response(rows[0], path)
            if changes.kind == "create":
                return self._created_response(rows[0], path)
            return self._row_response(rows[0], 200, {})

        try:
            return await self._execution.run(request, changes, respond)
        except Problem as problem:
            failed = await self._failed_precondition(request, changes, problem)
            if failed is None:
                raise
            raise failed from problem

    async def _failed_precondition(
        self, request: Request, changes: ChangeSet, problem: Problem
    ) -> Problem | None:
        """Return the 412 of a replacement that failed because of its header; None for others."""
        name = self.table_context.name
        if changes.kind == "update" and problem.kind == "not_found":
            detail = f"There is no {name} with this key, and If-Match requires one."
            return Problem(412, detail, kind="changed")
        if changes.is_upsert or changes.kind == "update" or problem.kind != "unique":
            return None
        (change,) = changes.changes
        stored = await self.table_context.run(
            context_of(request),
            lambda connection: self._execution.writer.rows.current(
                connection, change.key, change.scopes
            ),
            idempotent=True,
        )
        if stored is None:
            return None
        detail = f"There is a {name} with this key already, and If-None-Match forbids one."
        return Problem(412, detail, kind="changed")

    async def update(self, request: Request, key: Key) -> Response:
        """Update the fields in the body; respond with 200."""
        changes = await self._parser.update(request, key)
        status = self._contract.status_of("update")
        return await self._execution.run(
            request, changes, lambda rows: self._row_response(rows[0], status, {})
        )

    async def delete(self, request: Request, key: Key) -> Response:
        """Delete a row; respond with 200."""
        return await self._execution.run(
            request, self._parser.delete(request, key), self._deleted_response
        )

    async def create_many(self, request: Request) -> Response:
        """Create rows; respond with 201 and the rows in the order of the body."""
        status = self._contract.status_of("create")
        created = await self._plain_batches.create(request)
        if created is not None:
            return empty_response() if status == NO_CONTENT else JSONBody(created, status)
        changes = await self._parser.create_many(request)
        return await self._execution.run(
            request,
            changes,
            lambda rows: self._rows_response(rows, status),
        )

    async def update_many(self, request: Request) -> Response:
        """Update the rows whose keys are in the body; respond with 200, in that order."""
        changes = await self._parser.update_many(request)
        return await self._execution.run(
            request,
            changes,
            lambda rows: self._rows_response(rows, self._contract.status_of("update")),
        )

    async def delete_many(self, request: Request) -> Response:
        """Delete the rows with the given keys; respond with 200."""
        return await self._execution.run(
            request, self._parser.delete_many(request), self._deleted_response
        )

    def _created_response(self, row: Any, path: str, status: int = 201) -> Response:
        key = self.table_context.keys.write(from_json(row.key))
        return self._row_response(row, status, {"Location": f"{path}/{key}"})

    def _upserted_response(self, row: Any, path: str) -> Response:
        if row.created:
            return self._created_response(row, path)
        return self._row_response(row, 200, {})

    def _row_response(self, row: Any, status: int, headers: dict[str, str]) -> Response:
        body = render_row(self.table_context.view, row.body)
        tag = self.table_context.etags.of(row.state, body)
        headers = {**headers, "ETag": tag}
        return empty_response(headers) if status == NO_CONTENT else JSONBody(body, status, headers)

    def _rows_response(self, rows: Sequence[Any], status: int) -> Response:
        if status == NO_CONTENT:
            return empty_response()
        view = self.table_context.view
        body = b"[" + b",".join(render_row(view, row.body) for row in rows) + b"]"
        return JSONBody(body, status)

    def _deleted_response(self, rows: Sequence[Any]) -> Response:
        return ok_response(self._contract.status_of("delete"))
