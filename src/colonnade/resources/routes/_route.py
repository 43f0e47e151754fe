"""The routes of a Resource: when they are built, and how their errors become problems."""

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
from colonnade.resources._fastapi_compat import (
    endpoint_without_dependencies,
    replace_receive,
    solve_optional_apart,
)
from colonnade.resources._scoping import VARY_KEY, mark_private
from colonnade.resources.contract._contract import UNREACHABLE, answered_with
from colonnade.resources.responses._bodies import header_of
from colonnade.resources.responses._problems import Problem, response_of
from colonnade.resources.responses._unreadable import unrenderable
from colonnade.resources.routes._disconnect import ClientGoneError
from colonnade.resources.routes._overrides import is_overridden, override_session
from colonnade.resources.routes._read_your_writes import track_position
from colonnade.resources.routes._request_context import (
    RequestContext,
    clear_context,
    set_context,
)
from colonnade.resources.routes._shared_session import (
    refuse_with_override,
    shared_session,
)
from colonnade.rows import UnreadableRowError
from colonnade.writes import RejectedError, unavailable_of

LARGEST_BODY = 4 * 1024 * 1024
"""Maximum size of a request body in bytes: a thousand rows of four kilobytes."""


CLIENT_GONE = 499
"""nginx's status for the log when the client disconnected; no client sees it."""


Endpoint = Callable[..., Awaitable[Response]]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class RawBodyRequest(Request):
    """A request whose body FastAPI does not parse: the endpoint parses it straight from JSON."""

    async def json(self) -> Any:
        return None if not await self.body() else {}


class ResourceRoute(APIRoute):
    """A route whose errors, validation errors included, become problems."""

    request_class: type[Request] = Request
    db: Database | None = None
    """The database of the Resource."""
    unreachable: int = UNREACHABLE
    """The status of a foreign key to a row that does not exist or is out of scope."""
    siblings: Sequence[BaseRoute] = ()
    """The routes of the Resource."""

    @property
    def _methods(self) -> set[str]:
        return self.methods or set()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request to this route; a route for GET matches HEAD as well."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and "GET" in self._methods:
            scope = {**scope, "method": "GET"}
        return super().matches(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or respond with 405 and the methods of the path."""
        method = scope["method"]
        if method == "HEAD" and "GET" in self._methods:
            await super().handle({**scope, "method": "GET"}, receive, _without_body(send))
        elif method not in self._methods:
            await self._method_not_allowed(scope)(scope, receive, send)
        else:
            await super().handle(scope, receive, send)

    def _method_not_allowed(self, scope: Scope) -> Response:
        """Build the 405 with the methods of the path."""
        path = self.path_format.format(**scope["path_params"])
        methods: set[str] = set()
        for route in (self, *self.siblings):
            if isinstance(route, Route) and route.path_regex.match(path):
                methods |= set(route.methods or ())
        if "GET" in methods:
            methods.add("HEAD")
        allowed = ", ".join(sorted(methods))
        detail = f"{scope['method']} is not allowed on this path. Allowed methods: {allowed}."
        headers = {"Allow": allowed}
        return response_of(Problem(405, detail, kind="method", headers=headers))

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        solve_optional_apart(handle)

        async def limit_body(request: Request) -> Response:
            self.limit_body(request)
            request.__class__ = self.request_class
            try:
                return await handle(request)
            finally:
                request.__class__ = Request

        return self.with_problems(self.with_session(limit_body))

    def with_problems(self, handle: Handler) -> Handler:
        """Wrap a handler: turn its errors into problems, and end the context of the request."""

        async def respond(request: Request) -> Response:
            try:
                response = await handle(request)
            except (RejectedError, RequestValidationError, QueryError) as error:
                response = response_of(answered_with(error, self.unreachable))
            except UnreadableRowError as error:
                response = response_of(unrenderable(error))
            except (ClientGoneError, ClientDisconnect):
                return Response(status_code=CLIENT_GONE)
            except (SQLAlchemyError, DatabaseError) as error:
                unavailable = unavailable_of(error)
                if unavailable is None:
                    raise
                response = response_of(unavailable)
            finally:
                clear_context(request)
            if VARY_KEY in request.scope:
                mark_private(request, response)
            return response

        return respond

    def with_session(self, handle: Endpoint) -> Handler:
        """Wrap a handler: provide the session that the request is to use."""

        async def respond(request: Request) -> Response:
            shared = shared_session(request, self.db)
            if self.db is not None and is_overridden(self.db, request):
                if shared is not None:
                    refuse_with_override(request)
                async with override_session(self.db, request) as session:
                    set_context(request, RequestContext(session=session))
                    return await handle(request)
            if shared is not None:
                set_context(request, RequestContext(session=shared))
                response = await handle(request)
                shared.take_background(response)
                return response
            set_context(request, RequestContext(request))
            if self.db is not None and self.db.replicas:
                return await track_position(self.db, request, handle)
            return await handle(request)

        return respond

    def limit_body(self, request: Request) -> None:
        """Change a request so that reading a body that is too large raises a 413."""
        length = header_of(request, b"content-length")
        if length.isdecimal() and int(length) > LARGEST_BODY:
            raise _too_large()
        replace_receive(request, _limited(request.receive))


class GeneratedRoute(ResourceRoute):
    """A generated route, whose endpoint parses the bytes of the body itself."""

    request_class = RawBodyRequest
    replaced_with: frozenset[tuple[str, str]] = frozenset()
    """The keys of routes whose rules apply here too: who replaces one of them replaces this."""
    may_be_direct = False
    """Whether it needs FastAPI for its dependencies only: see ``DirectRoutes``."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request to this route, with a quick exit by the end of the path.

        FastAPI matches the routes of an included router twice.
        """
        if not scope["path"].endswith(self.path.rpartition("}")[2]):
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Handler:
        """Bypass FastAPI's handler if no dependency needs it: it costs as much as a statement."""
        handle = super().get_route_handler()
        endpoint = endpoint_without_dependencies(handle)
        if endpoint is None:
            return handle
        return self.with_problems(self.with_session(self._with_limit(endpoint)))

    def direct_handler(self, endpoint: Endpoint) -> Handler:
        """Return the handler for requests with nothing to choose: see ``DirectRoutes``."""
        handle = self._with_limit(endpoint)

        async def respond(request: Request) -> Response:
            set_context(request, RequestContext(request))
            return await handle(request)

        return self.with_problems(respond)

    def _with_limit(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint that takes only the request, whose body has a maximum size."""
        if "body" not in signature(endpoint).parameters:
            return endpoint

        async def limit_body(request: Request) -> Response:
            self.limit_body(request)
            return await endpoint(request, body=None)

        return limit_body


def _without_body(send: Send) -> Send:
    """Send a response to HEAD: the headers of the full response without its body."""

    async def send_head(message: Message) -> None:
        is_body = message["type"] == "http.response.body"
        await send({**message, "body": b""} if is_body else message)

    return send_head


def _limited(receive: Receive) -> Callable[[], Awaitable[Message]]:
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
    return Problem(
        413, f"The body is larger than the maximum of {LARGEST_BODY} bytes.", kind="too_large"
    )


class Routes(list[BaseRoute]):
    """The routes of a Resource, built when they are first read: when the router is included.

    User routes come before generated routes, even if they are added later, and replace generated
    routes with the same path and method.

    Args:
        make: Builds the generated routes; called with the user routes.
        complete: Prepares a user route for the Resource.
        replaced: Returns the keys of the generated routes that a user route replaces.
    """

    def __init__(
        self,
        make: Callable[[list[BaseRoute]], list[BaseRoute]],
        complete: Callable[[BaseRoute], None],
        replaced: Callable[[BaseRoute], set[tuple[str, str]]],
    ) -> None:
        super().__init__()
        self._replaced = replaced
        self._make: Callable[[list[BaseRoute]], list[BaseRoute]] | None = make
        self._complete = complete
        self._user_count = 0
        self._checked_prefix = ("", 0)

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
        """Add a user route."""
        if self._make is None:
            self._complete(route)
        replaced = self._replaced(route)
        for index in range(len(self) - 1, self._user_count - 1, -1):
            if route_keys(self[index]) & replaced:
                del self[index]
        self.insert(self._user_count, route)
        self._user_count += 1

    @property
    def last_user_index(self) -> int:
        """The position of the user route that was added last."""
        return self._user_count - 1

    def all_start_with(self, head: str) -> bool:
        """Whether the path of every route starts with ``head``."""
        if self._checked_prefix != (head, len(self)):
            if not all(getattr(route, "path", "").startswith(head) for route in self):
                return False
            self._checked_prefix = (head, len(self))
        return True

    def __reversed__(self) -> Iterator[BaseRoute]:
        return reversed(list(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return list, (list(self),)


def route_keys(route: BaseRoute) -> set[tuple[str, str]]:
    """Return the keys of a route: its path without parameter names, with each of its methods.

    A generated route that does the same as others also has their keys.
    """
    path = without_names(getattr(route, "path", ""))
    keys = {(path, method) for method in getattr(route, "methods", None) or ()}
    return keys | getattr(route, "replaced_with", frozenset())


def without_names(path: str) -> str:
    """Return a path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def replaced_keys(route: BaseRoute, prefix: str) -> set[tuple[str, str]]:
    """Return the keys of the generated routes that a user route replaces, batches included.

    Otherwise a custom soft delete would leave ``DELETE :batch``, which deletes the rows.

    Args:
        route: The user route.
        prefix: The path of the Resource.
    """
    keys = route_keys(route)
    base = without_names(prefix)
    twins = {(base, "POST"), (f"{base}/{{}}", "PATCH"), (f"{base}/{{}}", "DELETE")}
    return keys | {(f"{base}:batch", method) for _, method in keys & twins}
