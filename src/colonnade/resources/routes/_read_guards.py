"""Whether a request may read the rows of a Resource, before any row is read."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request, params
from starlette.routing import BaseRoute

from colonnade.resources._fastapi_compat import (
    inclusion_dependencies,
    needs_of_route,
    solve_for_route,
)
from colonnade.resources.routes._route import (
    GeneratedRoute,
    ResourceRoute,
    route_keys,
    without_names,
)


@dataclass(frozen=True, slots=True)
class ReadAccess:
    """How a request may read the rows of a Resource.

    Attributes:
        can_read: Whether the Resource has a list or a read.
        is_generated: Whether both are generated, so that no endpoint narrows the rows.
    """

    can_read: bool
    is_generated: bool


async def require_readable(resource: APIRouter, request: Request) -> ReadAccess:
    """Solve what the list, or else the read, depends on; without both, another route.

    The dependencies are those of the routers that include the Resource, of the Resource, of the
    decorator and of the endpoint's parameters.

    Args:
        resource: The Resource.
        request: A request of an endpoint in the same app.

    Raises:
        HTTPException: A dependency refuses the request.
        RequestValidationError: The request lacks what a dependency needs.
    """
    reads = list(_routes_at(resource, ("", "GET"), ("/{}", "GET")))
    others = _routes_at(resource, ("", "POST"), ("/{}", "PATCH"), ("/{}", "PUT"), ("/{}", "DELETE"))
    inclusions = inclusion_dependencies(request.scope["app"], resource)
    guards: list[params.Depends] = list(inclusions[0] if inclusions else [])
    guarding = next(iter([*reads, *others]), None)
    if guarding is not None:
        guards += needs_of_route(guarding)
    await solve_for_route(guards, request)
    return ReadAccess(bool(reads), all(isinstance(route, GeneratedRoute) for route in reads))


def _routes_at(resource: APIRouter, *keys: tuple[str, str]) -> Iterator[ResourceRoute]:
    """The first route of the Resource for each path below its path and method."""
    base = without_names(resource.prefix)
    for path, method in keys:
        route: BaseRoute | None = next(
            (each for each in resource.routes if (base + path, method) in route_keys(each)), None
        )
        if isinstance(route, ResourceRoute):
            yield route
