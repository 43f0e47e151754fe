"""The tables that a request may read, with what it may do with them."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from inspect import isawaitable
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from colonnade.models import Shape
from colonnade.resources.descriptions._resource_description import (
    FieldDescription,
    ResourceDescription,
)
from colonnade.resources.in_process._requests import path_of_table, receive_nothing
from colonnade.resources.in_process._served_tables import ServedTable

logger = logging.getLogger("colonnade.resources")


@dataclass(frozen=True, slots=True)
class ReadableTable:
    """A table that a request may read.

    Attributes:
        served: The table.
        description: What the request may do with it.
    """

    served: ServedTable
    description: ResourceDescription


async def readable_tables(
    tables: Mapping[str, ServedTable], request: Request, *, raises: bool = True
) -> dict[str, ReadableTable]:
    """Return the tables that a request may read, by their ids.

    A table whose dependencies refuse the request, or need what it does not have, is left out. Their
    request has the path of the table.

    Args:
        tables: The tables.
        request: The request.
        raises: Whether an error that is a fault of the application is raised. Otherwise, it is
            logged, and its table is left out.
    """
    readable = {}
    for name, table in tables.items():
        await asyncio.sleep(0)  # a hundred tables take a second, in which other requests go on
        try:
            description = await table.resource.describe(request_to_table(table, request))
        except RequestValidationError:
            pass
        except Exception as error:
            if await _status_of(error, request) >= 500:
                if raises:
                    raise
                logger.exception("The table %s cannot be described", name)
        else:
            readable[name] = ReadableTable(table, description)
    return _without_hidden_references(readable)


def request_to_table(table: ServedTable, request: Request) -> Request:
    """The request with the path of a table, which guards may read.

    Args:
        table: The table.
        request: The first request.
    """
    path = path_of_table(request.scope, table)
    scope = {**request.scope, "path": path, "raw_path": path.encode()}
    if "state" in scope:  # what a guard leaves there is for the requests of its table
        scope["state"] = dict(scope["state"])
    return Request(scope, receive_nothing)


async def _status_of(error: Exception, request: Request) -> int:
    """The status with which the application answers an error of a dependency."""
    if isinstance(error, HTTPException):
        return error.status_code
    handlers: Mapping[Any, Any] = request.app.exception_handlers
    handle = next((handlers[each] for each in type(error).__mro__ if each in handlers), None)
    if handle is None:
        return 500
    response = handle(request, error)
    status: int = (await response if isawaitable(response) else response).status_code
    return status


def _without_hidden_references(readable: Mapping[str, ReadableTable]) -> dict[str, ReadableTable]:
    """The tables, whose fields refer to no table and no column that the request may not see."""
    shown: dict[str, set[str]] = {}
    for table in readable.values():
        key = Shape.of(table.served.resource.model).primary_key
        columns = shown.setdefault(table.description.table, {column.name for column in key})
        columns.update(field.column for field in table.description.fields)
    return {
        name: ReadableTable(
            table.served,
            replace(
                table.description,
                fields=tuple(_with_reference_in(shown, each) for each in table.description.fields),
            ),
        )
        for name, table in readable.items()
    }


def _with_reference_in(
    shown: Mapping[str, Collection[str]], field: FieldDescription
) -> FieldDescription:
    if field.references is None:
        return field
    table, column = field.references
    return field if column in shown.get(table, ()) else replace(field, references=None)
