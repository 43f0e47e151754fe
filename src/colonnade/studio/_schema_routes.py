"""The routes of the schema page: the diagram, the facts of each table, and drift."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Column, Connection, MetaData, Table

from colonnade.database import Database
from colonnade.errors import ColonnadeError
from colonnade.models import Shape, is_reflected
from colonnade.project import Project
from colonnade.resources import ReadableTable, ServedTable, readable_tables
from colonnade.studio._security import DATA_HEADERS
from colonnade.studio._table_facts import table_facts
from colonnade.studio.diagram import SchemaGraph, svg

T = TypeVar("T")


class SchemaRoutes:
    """The routes of the schema page.

    Rows out of scope stay hidden there, too: a table with a scope, or with schemas by role, has
    neither an estimate of its rows nor its size, and no drift is shown.

    Args:
        tables: Returns the tables of Studio.
        shows_all: Whether everyone who may use Studio may see all of the database.
    """

    def __init__(
        self, tables: Callable[[], Mapping[str, ServedTable]], *, shows_all: bool = False
    ) -> None:
        self._tables = tables
        self._shows_all = shows_all

    def add_to(self, router: APIRouter) -> None:
        """Add the routes to a router."""
        router.add_api_route("/schema", self._diagram, methods=["GET"])
        router.add_api_route("/schema/{table}", self._facts, methods=["GET"])
        router.add_api_route("/drift", self._drift, methods=["GET"])

    def may_compare(self, readable: Collection[ReadableTable]) -> bool:
        """Whether a request may see how the database differs from the models.

        Args:
            readable: The tables that the request may read.
        """
        compared = _compared(readable)
        return bool(compared) and (
            self._shows_all or not any(_conceals(each, readable) for _, each in compared)
        )

    async def _diagram(self, request: Request) -> Response:
        readable = (await readable_tables(self._tables(), request)).values()
        shapes = {shape.table: shape for shape in (_shape(each) for each in readable)}
        hidden = [column for table in readable for column in _hidden(table)]
        hidden += [
            column
            for table in _link_tables(shapes.values())
            if table not in shapes
            for column in table.columns
            if not column.primary_key
        ]
        graph = SchemaGraph.of([shape.model for shape in shapes.values()], hidden)
        headers = {**DATA_HEADERS, "content-type": "image/svg+xml"}
        # The layout of hundreds of tables takes a second, in which other requests go on.
        picture = await asyncio.to_thread(svg, graph, is_embedded=True)
        return Response(picture, headers=headers)

    async def _facts(self, request: Request, table: str) -> Response:
        tables = self._tables()
        readable = await readable_tables(tables, request) if table in tables else {}
        if table not in readable:
            raise HTTPException(404, f"Studio has no table {table[:100]!r}.")
        chosen = readable[table]
        shape, is_open = _shape(chosen), chosen.description.is_open
        hidden = [column.name for column in _hidden(chosen)]
        known = {
            _shape(each).table.fullname: [column.name for column in _hidden(each)]
            for each in readable.values()
        }
        facts = await _on_connection(
            chosen.served.resource.db,
            lambda connection: table_facts(
                connection, shape.table, hidden, known, with_size=is_open
            ),
        )
        migration = await asyncio.to_thread(_migration_of, shape.table.name)
        content = {**asdict(facts), "is_open": is_open, "migration": migration}
        return JSONResponse(content, headers=dict(DATA_HEADERS))

    async def _drift(self, request: Request) -> Response:
        readable = (await readable_tables(self._tables(), request)).values()
        compared = _compared(readable)
        if compared and not self.may_compare(readable):
            raise HTTPException(
                403, "The comparison would tell of tables, fields or rows that you may not see."
            )
        differences: list[str] = []
        for db, metadata in compared:
            differences += await _on_connection(db, partial(_differences, metadata))
        content = {"compared": bool(compared), "differences": differences}
        return JSONResponse(content, headers=dict(DATA_HEADERS))


def _compared(readable: Iterable[ReadableTable]) -> dict[tuple[Database, MetaData], None]:
    """The databases to compare, each with the tables that programs declare."""
    return {
        (table.served.resource.db, _shape(table).table.metadata): None
        for table in readable
        if not is_reflected(_shape(table).table.metadata)
    }


def _shape(table: ReadableTable) -> Shape:
    return Shape.of(table.served.resource.model)


def _link_tables(shapes: Iterable[Shape]) -> Iterator[Table]:
    """The tables between those of some models."""
    for shape in shapes:
        for relation in shape.relations.values():
            if relation.link is not None:
                yield relation.link.table


def _conceals(metadata: MetaData, readable: Iterable[ReadableTable]) -> bool:
    """Whether a request may not see everything of the tables of a metadata."""
    tables = list(readable)
    shown = {
        _shape(table).table for table in tables if table.description.is_open and not _hidden(table)
    }
    links = {
        table
        for table in _link_tables(_shape(each) for each in tables)
        if all(column.primary_key for column in table.columns)
    }
    return not set(metadata.tables.values()) <= shown | links


def _hidden(table: ReadableTable) -> list[Column[Any]]:
    """The columns that the responses of a Resource do not have, except its keys."""
    shown = {field.column for field in table.description.fields}
    columns = _shape(table).table.columns
    return [each for each in columns if each.name not in shown and not each.primary_key]


async def _on_connection(db: Database, work: Callable[[Connection], T]) -> T:
    """Call a function with a connection that can be inspected."""
    async with db.async_engine.connect() as connection:
        return await connection.run_sync(work)


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
