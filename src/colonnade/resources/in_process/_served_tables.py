"""``ServedTable``: a Resource that is called in process, and where its requests go."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import Any

from fastapi import APIRouter, FastAPI

from colonnade.errors import ModelError
from colonnade.resources._fastapi_compat import (
    included_routers,
    inclusion_prefixes,
    mounts_with,
)
from colonnade.resources._resource import Resource


@dataclass(frozen=True, slots=True, eq=False)
class ServedTable:
    """A Resource that Studio or the tools of agents call in process.

    Attributes:
        id: Its name there.
        resource: The Resource.
        router: The ASGI app that serves it: the router of the application, or a private one for a
            Resource that the application does not include.
        path: The path of the Resource there.
        is_public: Whether the application includes it, so that its path is one of the API.
    """

    id: str
    resource: Resource
    router: Any
    path: str
    is_public: bool


def served_tables(
    app: FastAPI, resources: Sequence[Resource] | None, caller: str
) -> dict[str, ServedTable]:
    """The Resources that are called in process, by their ids.

    Args:
        app: The application.
        resources: The Resources; None for all that the application includes.
        caller: What calls them, for messages: ``Studio``.

    Raises:
        ModelError: The path of a Resource has a parameter, or a mounted app includes it.
    """
    chosen = _included_resources(app) if resources is None else list(resources)
    private = APIRouter(dependencies=app.router.dependencies)
    tables: dict[str, ServedTable] = {}
    for resource in {id(each): each for each in chosen}.values():  # routers have no hash
        prefixes = inclusion_prefixes(app, resource)
        path = f"{prefixes[0] if prefixes else ''}{resource.prefix}"
        if "{" in path:
            if resources is None:
                continue  # its requests need values that the caller does not know
            refuse_parameters(resource, path, caller)
        if not prefixes and (mounts := mounts_with(app, resource)):
            raise ModelError(
                f"The app at {mounts[0]} includes the Resource of {resource.model.__name__}, whose "
                f"dependencies would be missing here. Add {caller} to that app."
            )
        name = next(each for each in _ids(path) if each not in tables)
        if not prefixes:
            # Under its id, since two Resources that the application lacks may share a path.
            private.include_router(resource, prefix=f"/{name}")
            path = f"/{name}{resource.prefix}"
        router = app.router if prefixes else private
        tables[name] = ServedTable(name, resource, router, path, bool(prefixes))
    return tables


def refuse_parameters(resource: Resource, path: str, caller: str) -> None:
    """Refuse a Resource whose requests need values that the caller does not know.

    Raises:
        ModelError: Its path has a parameter.
    """
    if "{" in path:
        raise ModelError(
            f"{caller} cannot show the Resource of {resource.model.__name__}, whose path {path} "
            f"has a parameter. Add a Resource without one."
        )


def _included_resources(app: FastAPI) -> list[Resource]:
    return [router for router in included_routers(app) if isinstance(router, Resource)]


def _ids(path: str) -> Iterator[str]:
    """Names for a path: its last part, then longer ones, then with a number."""
    parts = [re.sub(r"[^\w.~-]+", "-", part) for part in path.strip("/").split("/")]
    names = ["-".join(parts[start:]) or "table" for start in range(len(parts) - 1, -1, -1)]
    return chain(names, (f"{names[-1]}-{number}" for number in count(2)))
