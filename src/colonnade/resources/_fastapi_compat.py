"""Everything that Colonnade uses of FastAPI's and Starlette's internals.

FastAPI may change what it does not document in any release: ``tests/resources/
test_fastapi_compat.py`` fails then. What makes requests faster falls back to FastAPI's own way;
``solve`` has no other way, and only overridden sessions need it.
"""

from collections.abc import Awaitable, Callable, Iterator
from inspect import getclosurevars, isfunction
from typing import Any

from fastapi import Request, Response, params
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant, solve_dependencies
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.models import APIKeyIn
from fastapi.security.api_key import APIKeyBase
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.types import Receive

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
    for _ in range(3):  # Colonnade's own wrappers are around FastAPI's handler
        variables = getclosurevars(handler).nonlocals if isfunction(handler) else {}
        dependant = variables.get("dependant")
        if isinstance(dependant, Dependant):
            break
        handler = variables.get("handle")
    else:
        return None
    if dependant.dependencies or dependant.call is None:
        return None
    endpoint: Callable[..., Awaitable[Response]] = dependant.call
    return endpoint


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


def with_receive(request: Request, receive: Receive, request_class: type[Request]) -> Request:
    """Return the request with another ``receive``, as another class of request."""
    return request_class(request.scope, receive, request._send)


async def solve(dependency: Callable[..., Any], request: Request) -> Any:
    """Return what FastAPI solves a dependency to, ``app.dependency_overrides`` included.

    A dependency that yields is closed with those of the request.
    """
    return await solve_dependency(params.Depends(dependency), request)


async def solve_dependency(dependency: params.Depends, request: Request) -> Any:
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
        embed_body_fields=False,
    )
    if solved.errors:
        raise RequestValidationError(solved.errors)
    return solved.values.get("solved")


def headers_of(dependency: Callable[..., Any]) -> list[str]:
    """The request headers that a dependency, and those that it depends on, may read; sorted."""
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
