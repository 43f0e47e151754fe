"""Routes that only tools can reach: they need a request of the app, but are not part of its API."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response, params
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
        dependencies: The dependencies of the application.
        writable: Whether tools may write.
        shows_sql: Whether ``explain`` shows the SQL and the plan of the database.
    """

    def __init__(
        self,
        tables: Mapping[str, ServedTable],
        dependencies: Sequence[params.Depends],
        *,
        writable: bool,
        shows_sql: bool,
    ) -> None:
        self._tables = tables
        self._writable = writable
        self._shows_sql = shows_sql
        self.router = APIRouter(route_class=ResourceRoute, dependencies=dependencies)
        self.router.add_api_route("/describe", self._describe, methods=["GET"])
        self.router.add_api_route("/names/{table}", self._names, methods=["GET"])
        self.router.add_api_route("/explain/{table}", self._explain, methods=["GET"])
        self.router.add_api_route("/explain/{table}/{key}", self._explain, methods=["GET"])

    async def _describe(
        self,
        request: Request,
        table: Annotated[list[str], Query()] = [],  # noqa: B006
    ) -> Response:
        readable = await self._readable(request)
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
        """The names of the fields and relations of a table."""
        readable = await self._readable(request, table)
        if table not in readable:
            raise HTTPException(404, _unknown(table, await self._readable(request)))
        description = readable[table].description
        return JSONResponse(
            {
                "fields": [field.name for field in description.fields],
                "relations": [relation.name for relation in description.relations],
            }
        )

    async def _explain(self, request: Request, table: str, key: str | None = None) -> Response:
        served = self._tables[table]
        # Its guards and scopes, before anything of the table is shown.
        readable = await self._readable(request, table)
        if table not in readable:
            raise HTTPException(404, _unknown(table, await self._readable(request)))
        of_table = request_to_table(served, request)
        await served.resource.describe(of_table)
        explanation = await served.resource.explain(served.resource.query(of_table), key)
        names = {
            Shape.of(each.resource.model).table.name: name for name, each in self._tables.items()
        }
        known = {Shape.of(served.resource.model).table.name: table}
        reached = {each.table.rpartition(".")[2] for each in readable[table].description.relations}
        known |= {name: names[name] for name in reached if name in names}
        metadata = Shape.of(served.resource.model).table.metadata
        content: dict[str, Any] = accesses(
            explanation.plan, known, {each.name for each in metadata.tables.values()}
        )
        if self._shows_sql:
            content |= {
                "sql": explanation.sql,
                "parameters": dict(explanation.parameters),
                "plan": list(explanation.plan),
            }
        return JSONResponse(content)

    async def _readable(self, request: Request, *names: str) -> dict[str, ReadableTable]:
        """The tables that the caller may read, of all or of those with these names."""
        tables = {name: self._tables[name] for name in names} if names else self._tables
        return await readable_tables(tables, request, raises=False)


def _unknown(name: str, readable: Mapping[str, ReadableTable]) -> str:
    names = ", ".join(readable) or "none that you may read"
    return f"There is no table {name[:100]!r}. The tables are: {names}."
