"""The routes of a Resource: when they are made, and how their errors are answered."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from inspect import getclosurevars, isfunction, signature
from typing import Any, SupportsIndex

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Receive, Scope

from colonnade.database import Database
from colonnade.errors import DatabaseError, QueryError
from colonnade.resources._departures import ClientGoneError, answering
from colonnade.resources._failures import unavailable_of
from colonnade.resources._overrides import is_overridden, overriding
from colonnade.resources._positions import follow
from colonnade.resources._problems import Problem, response_of
from colonnade.resources._unreadable import unwritable
from colonnade.rows import UnreadableRowError

LARGEST_BODY = 4 * 1024 * 1024
"""Bytes in the body of a request; a thousand rows of four kilobytes."""


CLIENT_GONE = 499
"""The status in the log of a request whose client did not wait: nginx's, which no client sees."""


class Unparsed(Request):
    """A request whose body FastAPI does not parse: the schema does, once, straight from JSON."""

    async def json(self) -> Any:
        return None if not await self.body() else {}


class ResourceRoute(APIRoute):
    """A route whose errors, those of validation included, are answered as problems."""

    request_class: type[Request] = Request
    db: Database | None = None
    """Where the Resource's table is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            return await handle(self.bounded(request))

        return self.answering(bounded)

    def answering(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors as problems, in the session of an override if there is."""

        async def answer(request: Request) -> Response:
            try:
                if self.db is not None and is_overridden(self.db, request):
                    async with overriding(self.db, request):
                        return await handle(request)
                with answering(request):
                    if self.db is not None and self.db.replicas:
                        return await follow(self.db, request, handle)
                    return await handle(request)
            except (Problem, RequestValidationError, QueryError) as error:
                return response_of(error)
            except UnreadableRowError as error:
                return response_of(unwritable(error))
            except ClientGoneError:
                return Response(status_code=CLIENT_GONE)
            except (SQLAlchemyError, DatabaseError) as error:
                unavailable = unavailable_of(error)
                if unavailable is None:
                    raise
                return response_of(unavailable)

        return answer

    def bounded(self, request: Request) -> Request:
        """The request, refusing a body that is too large as it is read."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > LARGEST_BODY:
            raise _too_large()
        return self.request_class(request.scope, _counting(request.receive), request._send)


class GeneratedRoute(ResourceRoute):
    """A route that Colonnade makes: its endpoint reads the body itself, from its bytes."""

    request_class = Unparsed

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route answers a request; no at once to a path that ends otherwise.

        FastAPI asks the routes of a router that is included twice.
        """
        if not scope["path"].endswith(self.path.rpartition("}")[2]):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, or past it where no dependency needs it: that costs as much as a statement."""
        handle = super().get_route_handler()
        endpoint = _without_dependencies(handle)
        if endpoint is None:
            return handle
        if "body" not in signature(endpoint).parameters:
            return self.answering(endpoint)

        async def bounded(request: Request) -> Response:
            return await endpoint(self.bounded(request), body=None)

        return self.answering(bounded)


def _without_dependencies(handle: Any) -> Callable[..., Awaitable[Response]] | None:
    """The endpoint that a handler of FastAPI's calls, if it depends on nothing else.

    What it depends on, those of the app and of the inclusion too, FastAPI tells nobody: the
    handler has it. Whatever does not look as expected is left to FastAPI.
    """
    for _ in range(3):  # ours are around FastAPI's
        found = getclosurevars(handle).nonlocals if isfunction(handle) else {}
        dependant = found.get("dependant")
        if isinstance(dependant, Dependant):
            break
        handle = found.get("handle")
    else:
        return None
    if dependant.dependencies or dependant.call is None:
        return None
    call: Callable[..., Awaitable[Response]] = dependant.call
    return call


def _counting(receive: Receive) -> Callable[[], Awaitable[Message]]:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise _too_large()
        return message

    return counted


def _too_large() -> Problem:
    return Problem(413, f"The body has more than {LARGEST_BODY} bytes.", kind="too_large")


class Routes(list[BaseRoute]):
    """The routes of a Resource, made when they are first read: when it is included.

    What the user adds comes before what is generated, however late it is added, and takes the
    place of a generated route of the same path and method.

    Args:
        make: Makes the generated routes, given those of the user.
        complete: Gives a route of the user's what it needs of the Resource.
        taken: Which generated routes a route of the user's takes the place of.
    """

    def __init__(
        self,
        make: Callable[[list[BaseRoute]], list[BaseRoute]],
        complete: Callable[[BaseRoute], None],
        taken: Callable[[BaseRoute], set[tuple[str, str]]],
    ) -> None:
        super().__init__()
        self._taken = taken
        self._make: Callable[[list[BaseRoute]], list[BaseRoute]] | None = make
        self._complete = complete
        self._own = 0
        self._below = ("", 0)

    def __iter__(self) -> Iterator[BaseRoute]:
        if self._make is not None:
            make, self._make = self._make, None
            try:
                made = make(list(self))
                for route in self:
                    self._complete(route)
                self.extend(made)
            except BaseException:
                self._make = make
                raise
        return super().__iter__()

    def append(self, route: BaseRoute) -> None:
        """Add a route of the user's."""
        if self._make is None:
            self._complete(route)
        taken = self._taken(route)
        for index in range(len(self) - 1, self._own - 1, -1):
            if replaced(self[index]) & taken:
                del self[index]
        self.insert(self._own, route)
        self._own += 1

    def are_all_below(self, head: str) -> bool:
        """Whether the path of every route begins with ``head``."""
        if self._below != (head, len(self)):
            if not all(getattr(route, "path", "").startswith(head) for route in self):
                return False
            self._below = (head, len(self))
        return True

    def __reversed__(self) -> Iterator[BaseRoute]:
        return reversed(list(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, (list(self),)


def replaced(route: BaseRoute) -> set[tuple[str, str]]:
    """The paths, with no names in them, and methods that a route answers."""
    path = re.sub(r"\{[^}]*\}", "{}", getattr(route, "path", ""))
    return {(path, method) for method in getattr(route, "methods", None) or ()}


def replaced_with_batch(route: BaseRoute, prefix: str) -> set[tuple[str, str]]:
    """What an endpoint of the user's replaces: with the operation on one row, that on many.

    Otherwise a DELETE that keeps the row would leave one beside it that does not.

    Args:
        route: The endpoint.
        prefix: The Resource's path.
    """
    found = replaced(route)
    base = re.sub(r"\{[^}]*\}", "{}", prefix)
    twins = {(base, "POST"), (f"{base}/{{}}", "PATCH"), (f"{base}/{{}}", "DELETE")}
    return found | {(f"{base}:batch", method) for _, method in found & twins}
