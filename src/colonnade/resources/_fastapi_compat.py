"""Everything that Colonnade uses of FastAPI's and Starlette's internals.

FastAPI may change what it does not document in any release: ``tests/resources/
test_fastapi_compat.py`` fails then. What makes requests faster falls back to FastAPI's own way, and
so does ``solve_optional_apart``; ``solve`` has no other way, and only overridden sessions need it.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from inspect import Parameter, Signature, getclosurevars, isfunction, signature
from re import Pattern
from typing import Any, cast

from fastapi import BackgroundTasks, Request, Response, params
from fastapi.dependencies.models import Dependant, _get_cache_key, _get_oauth_scopes
from fastapi.dependencies.utils import get_dependant, solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import APIKeyIn
from fastapi.routing import APIRouter, _IncludedRouter
from fastapi.security.api_key import APIKeyBase
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Message, Receive, Scope, Send

BODY_ERROR = "There was an error parsing the body"
"""The detail of FastAPI's 400 for a body that Python's JSON reader cannot read."""

_QUERY_NAMES = "_colonnade_query_names"
"""The attribute of a route that keeps the names of its query parameters."""

_EXIT_STACK = "fastapi_inner_astack"
"""Where FastAPI keeps what it closes at the end of a request."""


def endpoint_without_dependencies(handler: Any) -> Callable[..., Awaitable[Response]] | None:
    """Return the endpoint that a route's handler calls, if nothing else must be solved for it.

    The dependencies of the app and of the inclusion count too. FastAPI exposes them nowhere but in
    the handler's closure. None for a handler that does not look as expected: FastAPI calls it then.
    """
    dependant = None
    while isfunction(handler) and not isinstance(dependant, Dependant):
        variables = getclosurevars(handler).nonlocals
        dependant = variables.get("dependant")
        handler = variables.get("handle")  # Colonnade's own wrappers are around FastAPI's handler
    if not isinstance(dependant, Dependant):
        return None
    if dependant.dependencies or dependant.call is None:
        return None
    endpoint: Callable[..., Awaitable[Response]] = dependant.call
    return endpoint


def inclusion_of(scope: Scope) -> Any:
    """Return the inclusion in which FastAPI asks a router whether it matches; None if unknown."""
    inclusion = scope.get("fastapi", {}).get("included_router")
    return inclusion if isinstance(inclusion, _IncludedRouter) else None


def routes_version(router: APIRouter) -> tuple[int, int]:
    """Return what changes with the routes of a router."""
    return router._routes_version, len(router.routes)


def path_pattern(candidate: Any) -> Pattern[str] | None:
    """Return the pattern of the paths of a route in an inclusion; None if it has no single one."""
    pattern = getattr(candidate, "path_regex", None)
    if pattern is None:
        pattern = getattr(getattr(candidate, "starlette_route", None), "path_regex", None)
    return pattern


def unguarded_endpoint(candidate: Any) -> Callable[..., Awaitable[Response]] | None:
    """Return the endpoint of a route in an inclusion, if FastAPI would do nothing but call it.

    None if there are dependencies, of whatever level, or a limit for the body.
    """
    dependant = candidate.dependant
    if dependant.dependencies or candidate.max_body_size is not None:
        return None
    endpoint: Callable[..., Awaitable[Response]] | None = dependant.call
    return endpoint


def is_traced(scope: Scope) -> bool:
    """Whether FastAPI's telemetry observes a request."""
    return "fastapi.telemetry" in scope


async def handle_error(error: Exception, request: Request, receive: Receive, send: Send) -> None:
    """Answer an error of an endpoint with the handlers of the app, as around any other endpoint.

    The handlers get this request, whose body may have been read already.

    Raises:
        Exception: The error, if the app has no handler for it.
    """

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    await wrap_app_handling_exceptions(fail, request)(request.scope, receive, send)


def declared_query_names(route: Any) -> frozenset[str]:
    """Return the names of the query parameters that an endpoint and its dependencies declare.

    Args:
        route: The route of a request; of any but FastAPI's, no names are known.
    """
    names: frozenset[str] | None = getattr(route, _QUERY_NAMES, None)
    if names is None:
        names = frozenset(_query_names(getattr(route, "dependant", None)))
        setattr(route, _QUERY_NAMES, names)
    return names


def declared_path_names(route: Any) -> frozenset[str]:
    """Return the names of the path parameters that an endpoint and its dependencies declare.

    Args:
        route: A route of FastAPI.
    """
    return frozenset(_path_names(route.dependant))


def _path_names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.path_params)
    for dependency in dependant.dependencies:
        yield from _path_names(dependency)


def _query_names(dependant: Any) -> Iterator[str]:
    if not isinstance(dependant, Dependant):
        return
    for parameter in dependant.query_params:
        annotation = parameter.field_info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for name, field in annotation.model_fields.items():
                yield field.alias or name
        else:
            yield parameter.alias
    for dependency in dependant.dependencies:
        yield from _query_names(dependency)


def replace_receive(request: Request, receive: Receive) -> None:
    """Give a request another ``receive``.

    It stays the same object: the exception handlers of the app get it with the body that was read.
    """
    request._receive = receive


async def body_of(request: Request) -> bytes:
    """Return the body of a request, as ``Request.body`` does.

    Most bodies are one message, for which Starlette's stream takes longer than to parse them.

    Raises:
        ClientDisconnect: The client has disconnected.
    """
    if request._stream_consumed or hasattr(request, "_body"):
        return await request.body()
    receive = request._receive
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        request._stream_consumed = True
        request._body = bytes(message.get("body", b""))
        return request._body
    first = [message]

    async def from_first() -> Message:
        return first.pop() if first else await receive()

    request._receive = from_first
    return await request.body()


def inclusion_dependencies(app: Any, router: APIRouter) -> list[list[params.Depends]]:
    """Return the dependencies of each inclusion of a router in an app.

    ``app.include_router(router, dependencies=[...])`` gives them to no route of the router.
    """
    return [
        list(context.dependencies)
        for included, context in _inclusions(app.router.routes, None)
        if included is router
    ]


def inclusion_prefixes(app: Any, router: APIRouter) -> list[str]:
    """Return the path before that of a router in each of its inclusions in an app."""
    return [
        str(context.prefix)
        for included, context in _inclusions(app.router.routes, None)
        if included is router
    ]


def mounts_with(app: Any, router: APIRouter) -> list[str]:
    """Return the paths of the apps that are mounted in an app and include a router."""
    return [
        route.path
        for route in app.router.routes
        if isinstance(route, Mount)
        and hasattr(route.app, "router")
        and (inclusion_prefixes(route.app, router) or mounts_with(route.app, router))
    ]


def included_routers(app: Any) -> list[APIRouter]:
    """Return the routers that an app includes, also those in other routers, in order."""
    return [included for included, _ in _inclusions(app.router.routes, None)]


def _inclusions(routes: Iterable[BaseRoute], around: Any) -> Iterator[tuple[APIRouter, Any]]:
    for route in routes:
        if isinstance(route, _IncludedRouter):
            inner = route.include_context
            context = inner if around is None else around.combine(inner)
            yield route.original_router, context
            yield from _inclusions(route.original_router.routes, context)


def answering_route(routes: Iterable[BaseRoute], scope: Scope) -> BaseRoute | None:
    """Return the route that answers a request, also of an included router; None without one.

    Args:
        routes: The routes of an app.
        scope: The scope of the request.
    """
    scope = {key: value for key, value in scope.items() if key != "fastapi"}
    for route in routes:
        if route.matches(scope)[0] is Match.FULL:
            if not isinstance(route, _IncludedRouter):
                return route
            inner = route._match(scope)[2]
            return answering_route([inner], scope) if isinstance(inner, _IncludedRouter) else inner
    return None


async def solve(dependency: Callable[..., Any], request: Request) -> Any:
    """Return what FastAPI solves a dependency to, ``app.dependency_overrides`` included.

    A dependency that yields is closed with those of the request.
    """
    return await solve_dependency(params.Depends(dependency), request)


_SOLVED = "colonnade.solved_dependencies"
"""Key in the ASGI scope: what ``solve_for_route`` has solved, as FastAPI caches it."""


async def solve_for_route(dependencies: Iterable[params.Depends], request: Request) -> None:
    """Solve the dependencies of a route for a request of another one.

    Several calls for one request share what their dependencies depend on, except for what reads
    the request itself, whose path may be another one.

    Raises:
        HTTPException: A dependency refuses the request, and the route would.
        RequestValidationError: The request lacks what a dependency needs.
    """
    cache = request.scope.setdefault(_SOLVED, {})
    for marker in dependencies:
        try:
            await solve_dependency(marker, request, cache)
        except HTTPException as error:
            optional: Any = marker.dependency
            if not isinstance(optional, OptionalDependency) or error.status_code not in {401, 403}:
                raise
            optional.failed(request, error)
        for dependant in _all([get_dependant(path="", call=_call_of(marker))]):
            if _reads_request(dependant):
                cache.pop(_key(dependant), None)


def _call_of(marker: params.Depends) -> Callable[..., Any]:
    call: Any = marker.dependency
    return cast(Callable[..., Any], call)


def _reads_request(dependant: Dependant) -> bool:
    """Whether a dependency, or one that it depends on, may read the path of the request."""
    takes_request = dependant.request_param_name or dependant.http_connection_param_name
    # The classes of fastapi.security read headers, cookies or the query only.
    is_direct = takes_request is not None and not isinstance(dependant.call, SecurityBase)
    return is_direct or any(map(_reads_request, dependant.dependencies))


def needs_of_route(route: Any) -> list[params.Depends]:
    """What a route depends on, by its decorator, its router and the parameters of its endpoint."""
    declared = [identity_of(marker) for marker in route.dependencies]
    needed = map(_depends, route.dependant.dependencies)
    return [*route.dependencies, *(each for each in needed if identity_of(each) not in declared)]


async def solve_dependency(
    dependency: params.Depends, request: Request, cache: dict[Any, Any] | None = None
) -> Any:
    """Return what FastAPI solves ``Depends(...)`` to: see ``solve``.

    Raises:
        RequestValidationError: The request lacks what the dependency needs.
    """

    def endpoint(solved: Any = dependency) -> None: ...

    solved = await solve_dependencies(
        request=request,
        dependant=get_dependant(path=request.url.path, call=endpoint),
        dependency_overrides_provider=request.scope["app"],
        async_exit_stack=request.scope[_EXIT_STACK],
        dependency_cache=cache,
        embed_body_fields=False,
    )
    if solved.errors:
        raise RequestValidationError(solved.errors)
    return solved.values.get("solved")


class OptionalDependency:
    """A dependency whose 401 or 403 does not fail the request: see ``solve_optional_apart``."""

    def failed(self, request: Request, error: HTTPException) -> None:
        """Record that the dependency, or one that it depends on, raised a 401 or 403."""
        raise NotImplementedError  # implemented by every optional dependency


def solve_optional_apart(handler: Any) -> None:
    """Make a route's handler solve each ``OptionalDependency`` apart from the others.

    FastAPI solves all dependencies of a request together, and the first error is the answer. The
    handler gets a copy of them in which a single dependency solves the optional ones; the
    documentation keeps the original. A handler that does not look as expected stays as it is.
    """
    cell = _dependant_cell(handler)
    if cell is None:
        return
    dependant: Dependant = cell.cell_contents
    required = {
        _key(needed)
        for below in dependant.dependencies
        if not isinstance(below.call, OptionalDependency)
        for needed in _all([below])
    }
    is_apart = [_may_fail_alone(below, required) for below in dependant.dependencies]
    if not any(is_apart):
        return
    sorted_out = list(zip(dependant.dependencies, is_apart, strict=True))
    optional = [below for below, apart in sorted_out if apart]
    others = [below for below, apart in sorted_out if not apart]
    first = is_apart.index(True)
    others.insert(first, _solver(optional, required))
    cell.cell_contents = replace(dependant, dependencies=others)


def _dependant_cell(handler: Any) -> Any:
    """The variable of FastAPI's handler with the dependencies; None if there is none."""
    if not isfunction(handler) or handler.__closure__ is None:
        return None
    cells = dict(zip(handler.__code__.co_freevars, handler.__closure__, strict=True))
    cell = cells.get("dependant")
    return cell if cell is not None and isinstance(cell.cell_contents, Dependant) else None


def _may_fail_alone(dependant: Dependant, required: set[Any]) -> bool:
    """Whether an optional dependency depends on something that no other one of the route does."""
    return isinstance(dependant.call, OptionalDependency) and any(
        not below.use_cache or _key(below) not in required for below in _all(dependant.dependencies)
    )


def _solver(optional: list[Dependant], required: set[Any]) -> Dependant:
    """The dependency that solves the optional ones, and shares what others need as well."""
    shared = {
        _key(below): below
        for below in _all(optional)
        if below.use_cache and _key(below) in required
    }
    names = {key: f"shared_{index}" for index, key in enumerate(shared)}

    async def solve_optional(
        request: Request, response: Response, background_tasks: BackgroundTasks, **values: Any
    ) -> None:
        cache = {key: values[name] for key, name in names.items()}
        for below in optional:
            try:
                solved = await solve_dependencies(
                    request=request,
                    dependant=Dependant(dependencies=[below], path=below.path),
                    background_tasks=background_tasks,
                    response=response,
                    dependency_overrides_provider=request.scope["app"],
                    dependency_cache=cache,
                    async_exit_stack=request.scope[_EXIT_STACK],
                    embed_body_fields=False,
                )
            except HTTPException as error:
                if error.status_code not in {401, 403}:
                    raise
                below.call.failed(request, error)  # type: ignore[union-attr]  # see _may_fail_alone
            else:
                if solved.errors:
                    raise RequestValidationError(solved.errors)

    parameters = [
        *list(signature(solve_optional).parameters.values())[:3],
        *(
            Parameter(names[key], Parameter.KEYWORD_ONLY, default=_depends(below))
            for key, below in shared.items()
        ),
    ]
    # With overrides, FastAPI reads the signature again for each request.
    solve_optional.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # FastAPI reads it
    return get_dependant(path=optional[0].path or "", call=solve_optional)


def _depends(dependant: Dependant) -> params.Depends:
    """What a parameter that needs the same dependency has as its default."""
    _, depends_on_oauth_scopes, _ = _key(dependant)
    if depends_on_oauth_scopes:
        return params.Security(dependant.call, scopes=_get_oauth_scopes(dependant=dependant))
    return params.Depends(dependant.call, scope=dependant.scope)


def _all(dependants: list[Dependant]) -> Iterator[Dependant]:
    for dependant in dependants:
        yield dependant
        yield from _all(dependant.dependencies)


def _key(dependant: Dependant) -> Any:
    """The key under which FastAPI caches the result of a dependency during a request."""
    return _get_cache_key(dependant=dependant)


def identity_of(marker: params.Depends) -> tuple[Any, ...]:
    """What two uses of one dependency share: the function, and the scopes of OAuth2."""
    return marker.dependency, *(getattr(marker, "scopes", None) or ())


def headers_of(marker: params.Depends) -> list[str]:
    """The request headers that a dependency, and those that it depends on, may read; sorted."""
    dependency: Any = marker.dependency
    return sorted(set(_headers_of(get_dependant(path="", call=dependency))))


def _headers_of(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias.lower() for parameter in dependant.header_params)
    if dependant.cookie_params:
        yield "cookie"
    call = dependant.call
    if isinstance(call, APIKeyBase):
        location = getattr(call.model, "in_", None)
        if location is APIKeyIn.header:
            yield getattr(call.model, "name").lower()  # noqa: B009 - only models of API keys have it
        elif location is APIKeyIn.cookie:
            yield "cookie"
    elif isinstance(call, SecurityBase):
        yield "authorization"
    elif dependant.request_param_name or dependant.http_connection_param_name:
        yield from ("authorization", "cookie")  # it may read anything of the request
    for below in dependant.dependencies:
        yield from _headers_of(below)
