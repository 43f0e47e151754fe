"""The tables that a request may read, with what it may do with them."""

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from colonnade.resources import ResourceDescription
from colonnade.studio._served_tables import ServedTable


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
    tables: Mapping[str, ServedTable], request: Request
) -> dict[str, ReadableTable]:
    """Return the tables that a request may read, by their ids.

    A table whose dependencies refuse the request, or need what it does not have, is left out.

    Args:
        tables: The tables of Studio.
        request: The request.
    """
    readable = {}
    for name, table in tables.items():
        try:
            description = await table.resource.describe(request)
        except HTTPException as error:
            if error.status_code >= 500:
                raise
        except RequestValidationError:
            pass
        else:
            readable[name] = ReadableTable(table, description)
    return readable
