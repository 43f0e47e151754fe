"""The routes of a Resource: when they are made, and how their errors are answered."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from inspect import signature
from typing import Any, SupportsIndex

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

from colonnade.database import Database
from colonnade.errors import DatabaseError, QueryError
from colonnade.resources._fastapi_compat import endpoint_without_dependencies, with_receive
from colonnade.resources._scoping import VARY, keep_private
from colonnade.resources.answers._failures import unavailable_of
from colonnade.resources.answers._problems import Problem, response_of
from colonnade.resources.answers._unreadable import unwritable
from colonnade.resources.routes._disconnect import ClientGoneError
from colonnade.resources.routes._overrides import is_overridden, override_session
from colonnade.resources.routes._read_your_writes import follow
from colonnade.resources.routes._request_context import RequestContext, set_context
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
    siblings: Sequence[BaseRoute] = ()
    """The routes of the Resource."""

    @property
    def _methods(self) -> set[str]:
        return self.methods or set()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route answers a request: to HEAD it does as to GET."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and "GET" in self._methods:
            scope = {**scope, "method": "GET"}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say which methods its path has."""
        method = scope["method"]
        if method == "HEAD" and "GET" in self._methods:
            await super().handle({**scope, "method": "GET"}, receive, _without_body(send))
        elif method not in self._methods:
            await self._refused(scope)(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    def _refused(self, scope: Scope) -> Response:
        """The 405: of this path there are other methods."""
        path = self.path_format.format(**scope["path_params"])
        methods: set[str] = set()
        for route in (self, *self.siblings):
            if isinstance(route, Route) and route.path_regex.match(path):
                methods |= set(route.methods or ())
        if "GET" in methods:
            methods.add("HEAD")
        allowed = ", ".join(sorted(methods))
        detail = f"{scope['method']} is not allowed on this path. Allowed: {allowed}."
        headers = {"Allow": allowed}
        return response_of(Problem(405, detail, kind="method", headers=headers))

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
                    async with override_session(self.db, request) as session:
                        set_context(request, RequestContext(session=session))
                        response = await handle(request)
                else:
                    set_context(request, RequestContext(request))
                    if self.db is not None and self.db.replicas:
                        response = await follow(self.db, request, handle)
                    else:
                        response = await handle(request)
            except (Problem, RequestValidationError, QueryError) as error:
                response = response_of(error)
            except UnreadableRowError as error:
                response = response_of(unwritable(error))
            except (ClientGoneError, ClientDisconnect):
                return Response(status_code=CLIENT_GONE)
            except (SQLAlchemyError, DatabaseError) as error:
                unavailable = unavailable_of(error)
                if unavailable is None:
                    raise
                response = response_of(unavailable)
            if VARY in request.scope:
                keep_private(request, response)
            return response

        return answer

    def bounded(self, request: Request) -> Request:
        """The request, refusing a body that is too large as it is read."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > LARGEST_BODY:
            raise _too_large()
        return with_receive(request, _counting(request.receive), self.request_class)


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
        endpoint = endpoint_without_dependencies(handle)
        if endpoint is None:
            return handle
        if "body" not in signature(endpoint).parameters:
            return self.answering(endpoint)

        async def bounded(request: Request) -> Response:
            return await endpoint(self.bounded(request), body=None)

        return self.answering(bounded)


def _without_body(send: Send) -> Send:
    """Send an answer as HEAD wants it: with the headers of the whole one."""

    async def send_head(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "body": b""} if is_body else message)

    return send_head


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
    return Problem(413, f"The body is larger than {LARGEST_BODY} bytes.", kind="too_large")


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
                generated = make(list(self))
                for route in self:
                    self._complete(route)
                self.extend(generated)
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
    paths = replaced(route)
    base = re.sub(r"\{[^}]*\}", "{}", prefix)
    twins = {(base, "POST"), (f"{base}/{{}}", "PATCH"), (f"{base}/{{}}", "DELETE")}
    return paths | {(f"{base}:batch", method) for _, method in paths & twins}
