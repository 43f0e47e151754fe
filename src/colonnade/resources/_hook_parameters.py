"""Parameters of hooks that FastAPI provides: requests, headers, dependencies.

A dependency with these parameters stores their values in the request's ASGI scope, so that
overrides, caching and sub-dependencies work as in an endpoint.
"""

from collections.abc import Iterable
from inspect import Parameter, Signature
from typing import Annotated, Any

from fastapi import Depends, Request, params

from colonnade.writes import Hook, Provided

_KEY = "colonnade.hook_parameters"
_REQUEST = "colonnade_request"


def hook_dependencies(hooks: Iterable[Hook]) -> list[params.Depends]:
    """Return the dependencies of a route whose writes run these hooks."""
    return [Depends(_collector(hook)) for hook in hooks if hook.other_parameters]


def provided_of(request: Request) -> Provided:
    """Return the values of the parameters of a request's hooks."""
    provided: Provided = request.scope.get(_KEY, {})
    return provided


def _collector(hook: Hook) -> Any:
    async def collect(**values: Any) -> None:
        request: Request = values.pop(_REQUEST)
        request.scope.setdefault(_KEY, {})[hook] = values

    # FastAPI passes the request itself to a single parameter, which may be one of the hook.
    annotation = Annotated[Request, Depends(_request)]
    first = Parameter(_REQUEST, Parameter.KEYWORD_ONLY, annotation=annotation)
    others = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in hook.other_parameters]
    collect.__signature__ = Signature([first, *others])  # type: ignore[attr-defined]  # FastAPI reads it
    return collect


async def _request(request: Request) -> Request:
    return request
