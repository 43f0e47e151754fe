"""Whether a request may read the rows of a Resource, before any row is read."""

from fastapi import APIRouter, Request

from colonnade.resources._fastapi_compat import inclusion_dependencies, solve_for_route
from colonnade.resources.routes._route import ResourceRoute, route_keys, without_names


async def require_readable(resource: APIRouter, request: Request) -> bool:
    """Solve what the list, or else the read, depends on.

    Args:
        resource: The Resource.
        request: A request of an endpoint in the same app.

    Returns:
        False if the Resource has neither a list nor a read.

    Raises:
        HTTPException: A dependency refuses the request.
        RequestValidationError: The request lacks what a dependency needs.
    """
    base = without_names(resource.prefix)
    for path in (base, f"{base}/{{}}"):
        route = next((each for each in resource.routes if (path, "GET") in route_keys(each)), None)
        if isinstance(route, ResourceRoute):
            inclusions = inclusion_dependencies(request.scope["app"], resource)
            around = inclusions[0] if inclusions else []
            await solve_for_route([*around, *route.dependencies], request)
            return True
    return False
