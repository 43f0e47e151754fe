"""Generated routes that nothing guards, reached by one lookup of method and path.

FastAPI asks every route of an included router twice, and enters two exit stacks for dependencies.
For one row, that takes as long as the statement. A route without dependencies needs none of it. All
other requests take FastAPI's way, which has the same answers.
"""

import re
from re import Pattern
from typing import Any, NamedTuple

from fastapi import Request
from starlette._utils import get_route_path
from starlette.types import Receive, Scope, Send

from colonnade.database import Database
from colonnade.resources._fastapi_compat import (
    handle_error,
    inclusion_of,
    is_traced,
    path_pattern,
    routes_version,
    unguarded_endpoint,
)
from colonnade.resources.routes._route import GeneratedRoute, Handler
from colonnade.resources.routes._shared_session import has_shared_session

_KEY = "colonnade.direct_route"
"""Key in the ASGI scope: the route that answers the request, between the match and the response."""

_INCLUSION = "_colonnade_inclusion"
"""The attribute of FastAPI's inclusion of a Resource that keeps its direct routes."""

_ROW_PATH = re.compile(r"(?:/\{(?P<parameter>\w+)\})?")
"""The path of the list, and that of a row, below the prefix."""


class DirectRoute(NamedTuple):
    """A generated route in one inclusion of its router.

    Attributes:
        route: The route.
        endpoint: Its endpoint, as FastAPI calls it.
        handler: Makes the response.
        parameter: The name of its path parameter; None if it has none.
    """

    route: GeneratedRoute
    endpoint: Any
    handler: Handler
    parameter: str | None


class _Match(NamedTuple):
    """A direct route, and the request that it matched."""

    routes: "DirectRoutes"
    method: str
    path: str
    route: DirectRoute
    value: str

    def is_of(self, routes: "DirectRoutes", scope: Scope) -> bool:
        """Whether the same Resource is to answer the same method and path."""
        return (
            self.routes is routes and self.method == scope["method"] and self.path == scope["path"]
        )


class DirectRoutes:
    """The direct routes of a Resource.

    Args:
        router: The Resource.
        db: The database of the Resource.
    """

    def __init__(self, router: Any, db: Database) -> None:
        self._router = router
        self._db = db

    def match(self, scope: Scope) -> bool:
        """Whether a direct route answers a request. ``handle`` then does it.

        Args:
            scope: The scope of the request, as FastAPI passes it to an included router.
        """
        scope.pop(_KEY, None)  # of a middleware that has asked which route answers
        if scope["type"] != "http" or is_traced(scope) or has_shared_session(scope):
            return False
        included = inclusion_of(scope)
        # An app that is not FastAPI's has no overrides to look at: FastAPI knows where they are.
        is_overridden = getattr(scope.get("app"), "dependency_overrides", True)
        if included is None or is_overridden or self._db.replicas:
            return False
        inclusion: _Inclusion | None = getattr(included, _INCLUSION, None)
        version = routes_version(self._router)
        if inclusion is None or inclusion.version != version:
            inclusion = _Inclusion(included, version)
            setattr(included, _INCLUSION, inclusion)
        chosen = inclusion.find(scope)
        if chosen is None:
            return False
        scope[_KEY] = _Match(self, scope["method"], scope["path"], *chosen)
        return True

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer a request that matched; do nothing, and return False, if it did not."""
        chosen: _Match | None = scope.pop(_KEY, None)
        if chosen is None or not chosen.is_of(self, scope):
            return False
        direct, value = chosen.route, chosen.value
        scope["route"], scope["endpoint"] = direct.route, direct.endpoint
        parameters = scope.get("path_params", {})
        if direct.parameter is not None:
            parameters = {**parameters, direct.parameter: value}
        scope["path_params"] = parameters
        request = Request(scope, receive, send)
        try:
            response = await direct.handler(request)
        except Exception as error:
            await handle_error(error, request, receive, send)
        else:
            await response(scope, receive, send)
        return True


class _Inclusion:
    """A Resource as one router or app includes it.

    Args:
        included: What FastAPI knows of the inclusion.
        version: The version of the routes of the Resource.

    Attributes:
        version: The version of the routes of the Resource.
    """

    def __init__(self, included: Any, version: tuple[int, int]) -> None:
        self.version = version
        self._prefix = f"{included.include_context.prefix}{included.original_router.prefix}"
        self._routes: dict[tuple[str, bool], DirectRoute | None] = {}
        self._others: list[Pattern[str]] = []
        if "{" in self._prefix:
            return
        for candidate in included.effective_candidates():
            route = getattr(candidate, "original_route", None)
            pattern = path_pattern(candidate)
            if isinstance(route, GeneratedRoute):
                self._add(route, candidate)
            elif pattern is not None:
                self._others.append(pattern)
            else:  # another router or a host, which may serve the same paths
                self._routes.clear()
                return

    def _add(self, route: GeneratedRoute, candidate: Any) -> None:
        """Add a route with one of the two paths, or None if something guards it.

        The first of several routes with the same method and path answers.
        """
        path = _ROW_PATH.fullmatch(candidate.path, len(self._prefix))
        if path is None:
            return
        endpoint = unguarded_endpoint(candidate) if route.may_be_direct else None
        direct, parameter = None, path["parameter"]
        if endpoint is not None:
            direct = DirectRoute(route, endpoint, route.direct_handler(endpoint), parameter)
        for method in candidate.methods:
            self._routes.setdefault((method, parameter is not None), direct)

    def find(self, scope: Scope) -> tuple[DirectRoute, str] | None:
        """Return the direct route of a request with the value of its parameter, if there is one."""
        path: str = get_route_path(scope) if scope.get("root_path") else scope["path"]
        if not path.startswith(self._prefix):
            return None
        rest = path[len(self._prefix) :]
        if rest and (rest[0] != "/" or len(rest) == 1 or "/" in rest[1:]):
            return None
        direct = self._routes.get((scope["method"], bool(rest)))
        if direct is None or any(pattern.match(path) for pattern in self._others):
            return None
        return direct, rest[1:]
