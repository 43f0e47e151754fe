"""The routes of the schema page: the diagram, the facts of each table, and drift."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Column, Connection, MetaData
from starlette.exceptions import HTTPException as StarletteHTTPException

from colonnade.database import Database
from colonnade.errors import ColonnadeError
from colonnade.models import Shape, is_reflected
from colonnade.project import Project
from colonnade.resources import ResourceDescription
from colonnade.studio._security import DATA_HEADERS
from colonnade.studio._served_tables import ServedTable
from colonnade.studio._table_facts import table_facts
from colonnade.studio.diagram import SchemaGraph, svg

T = TypeVar("T")


class SchemaRoutes:
    """The routes of the schema page.

    Rows out of scope stay hidden there, too: a table with a scope, or with schemas by role, has
    neither an estimate of its rows nor its size, and no drift is shown.

    Args:
        tables: Returns the tables of Studio.
    """

    def __init__(self, tables: Callable[[], Mapping[str, ServedTable]]) -> None:
        self._tables = tables

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        router.add_api_route("/schema", self._diagram, methods=["GET"])
        router.add_api_route("/schema/{table}", self._facts, methods=["GET"])
        router.add_api_route("/drift", self._drift, methods=["GET"])

    async def _diagram(self, request: Request) -> Response:
        readable = await self._readable(request)
        hidden = [
            column
            for table, description in readable.values()
            for column in _hidden(table, description)
        ]
        models = [table.resource.model for table, _ in readable.values()]
        graph = SchemaGraph.of(dict.fromkeys(models), hidden)
        headers = {**DATA_HEADERS, "content-type": "image/svg+xml"}
        return Response(svg(graph, is_embedded=True), headers=headers)

    async def _facts(self, request: Request, table: str) -> Response:
        readable = await self._readable(request)
        if table not in readable:
            raise HTTPException(404, f"Studio has no table {table[:100]!r}.")
        served, description = readable[table]
        shape = Shape.of(served.resource.model)
        hidden = [column.name for column in _hidden(served, description)]
        facts = await _on_connection(
            served.resource.db,
            lambda connection: table_facts(
                connection, shape.table, hidden, with_size=description.is_open
            ),
        )
        migration = await asyncio.to_thread(_migration_of, shape.table.name)
        content = {**asdict(facts), "is_open": description.is_open, "migration": migration}
        return JSONResponse(content, headers=dict(DATA_HEADERS))

    async def _drift(self, request: Request) -> Response:
        readable = await self._readable(request)
        if not all(description.is_open for _, description in readable.values()):
            detail = "Drift is not shown where tables have scopes or schemas by role."
            raise HTTPException(403, detail)
        compared: dict[tuple[Database, Any], None] = {
            (table.resource.db, table.resource.model.metadata): None
            for table, _ in readable.values()
            if not is_reflected(table.resource.model.metadata)
        }
        differences: list[str] = []
        for db, metadata in compared:
            differences += await _on_connection(db, partial(_differences, metadata))
        content = {"compared": bool(compared), "differences": differences}
        return JSONResponse(content, headers=dict(DATA_HEADERS))

    async def _readable(
        self, request: Request
    ) -> dict[str, tuple[ServedTable, ResourceDescription]]:
        """The tables that a request may read, with their descriptions."""
        readable = {}
        for name, table in self._tables().items():
            try:
                readable[name] = (table, await table.resource.describe(request))
            except StarletteHTTPException as error:
                if error.status_code not in {401, 403}:
                    raise
        return readable


async def _on_connection(db: Database, work: Callable[[Connection], T]) -> T:
    """Call a function with a connection that can be inspected."""
    async with db.async_engine.connect() as connection:
        return await connection.run_sync(work)


def _hidden(table: ServedTable, description: ResourceDescription) -> list[Column[Any]]:
    """The columns that the responses of a Resource do not have, except its keys."""
    shown = {field.column for field in description.fields}
    return [
        column
        for column in Shape.of(table.resource.model).table.columns
        if column.name not in shown and not column.primary_key
    ]


# Alembic is imported only here, since an import takes half a second and most requests need none.


def _differences(metadata: MetaData, connection: Connection) -> list[str]:
    from colonnade.migrations import database_drift

    return database_drift(connection, metadata)


def _migration_of(table: str) -> str | None:
    """The revision that created a table, if the working directory is that of its project."""
    from colonnade.migrations import History

    try:
        return History(Project.find(Path.cwd())).creator_of(table)
    except (ColonnadeError, OSError, SyntaxError):
        return None  # the revisions are not on this machine, or cannot be read
