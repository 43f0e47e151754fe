"""Batches of new rows that need nothing but their schema: written with no object for each row."""

from fastapi import Request
from pydantic_core import to_json
from sqlalchemy.exc import DBAPIError

from colonnade.backends import Backend
from colonnade.database import Plan
from colonnade.errors import QueryError
from colonnade.models import Idempotency
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.responses._problems import Problem
from colonnade.resources.routes._request_context import context_of
from colonnade.resources.writes._requests import scopes_of_write
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.writes import RejectedError, missing_reference


class PlainBatches:
    """Creates the rows of one table from bodies that need no hooks, scopes or checks of each row.

    Args:
        table: The table.
        idempotency: The table of stored responses, which only rows with objects can use.
        max_rows: The maximum number of rows in a batch.
    """

    def __init__(
        self, table: ResourceTable, idempotency: type[Idempotency] | None, max_rows: int
    ) -> None:
        self._table = table
        self._max_rows = max_rows
        self._is_idempotent = idempotency is not None
        self._plans: dict[Backend, Plan | None] = {}

    async def create(self, request: Request) -> bytes | None:
        """Create the rows in the body of a request in one statement.

        Args:
            request: The request.

        Returns:
            The JSON of the rows; None, with nothing written, if they need more, or one of them is
            refused. The caller then writes them one after the other, which says what is wrong.

        Raises:
            Problem: The database is unavailable, or it is not known what has been written.
        """
        plan = self._plan()
        table_context = self._table.table_context
        if plan is None or scopes_of_write(table_context, request):
            return None
        body = await json_body(request)
        rows = await read_body(
            body, lambda body: table_context.create.plain_rows(body, self._max_rows)
        )
        if rows is None:
            return None
        work = plan.one({"rows": to_json(rows).decode()})
        try:
            row = await table_context.run(context_of(request), work)
        except (RejectedError, QueryError) as error:
            if getattr(error, "status_code", 422) >= 500:
                raise
            return None
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            return None
        if row.written < len(rows):  # a trigger left some out
            raise Problem.of(missing_reference([]))
        return str(row.body).encode()

    def _plan(self) -> Plan | None:
        """The statement; None if the rows need more, as far as the table says."""
        if self._is_idempotent or "create" in self._table.hooks.kinds:
            return None
        backend = self._table.table_context.backend
        if backend not in self._plans:
            self._plans[backend] = self._make_plan()
        return self._plans[backend]

    def _make_plan(self) -> Plan | None:
        table, context = self._table, self._table.table_context
        needs_rows = (
            table.relations
            or context.reread_after_write
            or table.writer.rows.renders_before_commit
            or not context.view.is_exact
            or not context.create.is_plain
        )
        if needs_rows:
            return None
        return table.writer.bulk_statements.insert_json(context.create.field_names)
