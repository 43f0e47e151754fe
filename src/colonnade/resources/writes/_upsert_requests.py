"""Requests that upsert or replace rows, as a ``ChangeSet``."""

from fastapi import Request

from colonnade.errors import QueryError, error_entry
from colonnade.query import did_you_mean
from colonnade.resources._reads import query_of
from colonnade.resources.responses._bodies import json_body, read_body
from colonnade.resources.responses._problems import Problem
from colonnade.resources.writes._requests import scopes_of_write
from colonnade.resources.writes._resource_tables import ResourceTable
from colonnade.writes import (
    ON_CONFLICT,
    ChangeSet,
    Key,
    UpsertOptions,
    UpsertOptionsReader,
    UpsertParser,
    expected_versions,
    invalid_option,
)

PARAMETERS = (ON_CONFLICT, "update", "keep")


class UpsertRequestParser:
    """Parses the requests of one table that upsert or replace rows.

    Args:
        table: The table.
        max_rows: The maximum number of rows in a batch.

    Attributes:
        options: Reads the query parameters.
    """

    def __init__(self, table: ResourceTable, max_rows: int) -> None:
        self._table_context = table.table_context
        self.options = UpsertOptionsReader(table.table_context)
        self._rows = UpsertParser(table.table_context, max_rows, self.options.changeable)

    async def upsert(self, request: Request) -> ChangeSet:
        """Parse a row that is created, or changes the row that it conflicts with."""
        scopes = scopes_of_write(self._table_context, request, has_query=True)
        options = self._options(request)
        return await read_body(
            await json_body(request), lambda body: self._rows.upsert(body, scopes, options)
        )

    async def upsert_many(self, request: Request) -> ChangeSet:
        """Parse rows that are created, or change the rows that they conflict with."""
        scopes = scopes_of_write(self._table_context, request, has_query=True)
        options = self._options(request)
        return await read_body(
            await json_body(request), lambda body: self._rows.upsert_many(body, scopes, options)
        )

    async def replace(self, request: Request, key: Key) -> ChangeSet:
        """Parse the whole row with a key.

        ``If-Match`` makes it an update, since the row must exist; ``If-None-Match: *`` a create.

        Raises:
            Problem: 412, both headers contradict each other.
        """
        scopes = scopes_of_write(self._table_context, request)
        expected = expected_versions(request.headers.getlist("if-match"))
        must_exist, must_not_exist = "if-match" in request.headers, _creates_only(request)
        change = await read_body(
            await json_body(request), lambda body: self._rows.whole_row(body, scopes, key, expected)
        )
        if must_exist and must_not_exist:
            detail = "If-Match requires a stored row, and If-None-Match: * forbids it. Send one."
            raise Problem(412, detail, kind="changed")
        if must_not_exist:
            return ChangeSet("create", [change], scopes)
        self._rows.replace_on_conflict(change)
        if must_exist:
            return ChangeSet("update", [change.as_update(key)], scopes)
        return ChangeSet("create", [change], scopes)

    def _options(self, request: Request) -> UpsertOptions:
        """Read the query parameters of an upsert.

        Raises:
            QueryError: One of them is unknown, repeated, or not valid.
        """
        parameters: dict[str, str] = {}
        for name, value in query_of(request, PARAMETERS.__contains__):
            if name not in PARAMETERS:
                known = ", ".join(PARAMETERS)
                message = f"Unknown parameter {name}. An upsert has the parameters {known}."
                message += did_you_mean(name, PARAMETERS)
                raise invalid_option(name, message, value, constraint="unknown_parameter")
            if name in parameters:
                message = f"{name} can be used only once"
                raise invalid_option(name, message, value, constraint="repeated")
            parameters[name] = value
        return self.options.read(parameters)


def _creates_only(request: Request) -> bool:
    """Whether ``If-None-Match: *`` forbids a stored row.

    Raises:
        QueryError: The header has ETags.
    """
    lines = request.headers.getlist("if-none-match")
    if not lines:
        return False
    loc = ("header", "if-none-match")
    if [line.strip() for line in lines] != ["*"]:
        message = "A PUT accepts If-None-Match: * only, to create a row; use If-Match for ETags"
        raise QueryError([error_entry("etag", loc, message)])
    return True
