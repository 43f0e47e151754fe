"""Routes that only tools can reach: they need a request of the app, but are not part of its API."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse

from colonnade.agents._descriptions import brief, in_detail
from colonnade.agents._plans import accesses
from colonnade.models import Shape
from colonnade.resources import (
    ReadableTable,
    ResourceRoute,
    ServedTable,
    readable_tables,
    request_to_table,
)


class PrivateRoutes:
    """The routes below ``describe`` and ``explain``.

    Args:
        tables: The tables of the tools.
        writable: Whether tools may write.
        shows_sql: Whether ``explain`` shows the SQL and the plan of the database.
    """

    def __init__(
        self, tables: Mapping[str, ServedTable], *, writable: bool, shows_sql: bool
    ) -> None:
        self._tables = tables
        self._writable = writable
        self._shows_sql = shows_sql
        self.router = APIRouter(route_class=ResourceRoute)
        self.router.add_api_route("/describe", self._describe, methods=["GET"])
        self.router.add_api_route("/names/{table}", self._names, methods=["GET"])
        self.router.add_api_route("/explain/{table}", self._explain, methods=["GET"])
        self.router.add_api_route("/explain/{table}/{key}", self._explain, methods=["GET"])

    async def _describe(
        self,
        request: Request,
        table: Annotated[list[str], Query()] = [],  # noqa: B006
    ) -> Response:
        readable = await readable_tables(self._tables, request)
        for name in table:
            if name not in readable:
                raise HTTPException(404, _unknown(name, readable))
        described = (
            [in_detail(name, readable, writable=self._writable) for name in table]
            if table
            else brief(readable, writable=self._writable)
        )
        return JSONResponse({"tables": described})

    async def _names(self, request: Request, table: str) -> Response:
        """The names of a table with which a filter may begin."""
        readable = await readable_tables(self._named(table), request)
        if table not in readable:
            raise HTTPException(404, _unknown(table, await readable_tables(self._tables, request)))
        description = readable[table].description
        fields = [field.name for field in description.fields]
        return JSONResponse([*fields, *(each.name for each in description.relations)])

    async def _explain(self, request: Request, table: str, key: str | None = None) -> Response:
        served = self._tables[table]
        # Its guards and scopes, before anything of the table is shown.
        readable = await readable_tables(self._tables, request)
        if table not in readable:
            raise HTTPException(404, _unknown(table, readable))
        of_table = request_to_table(served, request)
        await served.resource.describe(of_table)
        explanation = await served.resource.explain(served.resource.query(of_table), key)
        names = {each.description.table: name for name, each in readable.items()}
        content: dict[str, Any] = accesses(
            explanation.plan, names, Shape.of(served.resource.model).table.metadata.tables
        )
        if self._shows_sql:
            content |= {
                "sql": explanation.sql,
                "parameters": dict(explanation.parameters),
                "plan": list(explanation.plan),
            }
        return JSONResponse(content)

    def _named(self, table: str) -> dict[str, ServedTable]:
        return {name: served for name, served in self._tables.items() if name == table}


def _unknown(name: str, readable: Mapping[str, ReadableTable]) -> str:
    names = ", ".join(readable) or "none that you may read"
    return f"There is no table {name[:100]!r}. The tables are: {names}."
