"""The write operations of a Resource: parse, execute, respond."""

from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response
from pydantic_core import from_json

from colonnade.models import Idempotency
from colonnade.resources._reads import path_of
from colonnade.resources._table_context import render_row
from colonnade.resources.responses._bodies import OK_BODY, JSONBody
from colonnade.resources.writes._changes import Key
from colonnade.resources.writes._execution import WriteExecution
from colonnade.resources.writes._parsing import RequestParser
from colonnade.resources.writes.nested._tables import WritableTable


class WriteOperations:
    """The write operations of one table.

    Args:
        table: The table.
        idempotency: The table of stored responses; None to ignore ``Idempotency-Key``.
        max_rows: The maximum number of rows in a batch.
    """

    def __init__(
        self,
        table: WritableTable,
        idempotency: type[Idempotency] | None,
        max_rows: int,
    ) -> None:
        self.table_context = table.table_context
        self._parser = RequestParser(table, max_rows)
        self._execution = WriteExecution(table, idempotency)

    async def create(self, request: Request) -> Response:
        """Create a row; respond with 201."""
        changes = await self._parser.create(request)
        path = path_of(request).rstrip("/")

        def respond(rows: Sequence[Any]) -> Response:
            (row,) = rows
            key = self.table_context.keys.write(from_json(row.key))
            return self._row_response(row, 201, {"Location": f"{path}/{key}"})

        return await self._execution.run(request, changes, respond)

    async def update(self, request: Request, key: Key) -> Response:
        """Update the fields in the body; respond with 200."""
        changes = await self._parser.update(request, key)
        return await self._execution.run(
            request, changes, lambda rows: self._row_response(rows[0], 200, {})
        )

    async def delete(self, request: Request, key: Key) -> Response:
        """Delete a row; respond with 200."""
        return await self._execution.run(request, self._parser.delete(request, key), _deleted)

    async def create_many(self, request: Request) -> Response:
        """Create rows; respond with 201 and the rows in the order of the body."""
        changes = await self._parser.create_many(request)
        return await self._execution.run(
            request, changes, lambda rows: self._rows_response(rows, 201)
        )

    async def update_many(self, request: Request) -> Response:
        """Update the rows whose keys are in the body; respond with 200, in that order."""
        changes = await self._parser.update_many(request)
        return await self._execution.run(
            request, changes, lambda rows: self._rows_response(rows, 200)
        )

    async def delete_many(self, request: Request) -> Response:
        """Delete the rows with the given keys; respond with 200."""
        return await self._execution.run(request, self._parser.delete_many(request), _deleted)

    def _row_response(self, row: Any, status: int, headers: dict[str, str]) -> Response:
        body = render_row(self.table_context.view, row.body)
        tag = self.table_context.etags.of(row.state, body)
        return JSONBody(body, status, {**headers, "ETag": tag})

    def _rows_response(self, rows: Sequence[Any], status: int) -> Response:
        view = self.table_context.view
        body = b"[" + b",".join(render_row(view, row.body) for row in rows) + b"]"
        return JSONBody(body, status)


def _deleted(rows: Sequence[Any]) -> Response:
    return JSONBody(OK_BODY)
