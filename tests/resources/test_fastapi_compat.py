"""The internals of FastAPI that Colonnade relies on, and its fallbacks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer, SecurityScopes
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.routing import Route

from colonnade.resources import _fastapi_compat as compat


async def endpoint(request: Request) -> Response:
    return Response()


async def number() -> int:
    return 3


def handler_of(app: FastAPI) -> Any:
    (route,) = [route for route in app.routes if isinstance(route, APIRoute)]
    return route.get_route_handler()


def test_the_endpoint_of_a_handler_without_dependencies_is_found() -> None:
    app = FastAPI()
    app.get("/")(endpoint)
    assert compat.endpoint_without_dependencies(handler_of(app)) is endpoint


@pytest.mark.parametrize("dependencies", ["app", "route"])
def test_a_handler_with_dependencies_is_left_to_fastapi(dependencies: str) -> None:
    of_app = [Depends(number)] if dependencies == "app" else []
    of_route = [Depends(number)] if dependencies == "route" else []
    app = FastAPI(dependencies=of_app)
    app.get("/", dependencies=of_route)(endpoint)
    assert compat.endpoint_without_dependencies(handler_of(app)) is None


@pytest.mark.parametrize("handler", [endpoint, None, FastAPI()])
def test_a_handler_that_looks_different_is_left_to_fastapi(handler: Any) -> None:
    assert compat.endpoint_without_dependencies(handler) is None


def test_a_dependency_is_solved_with_its_override() -> None:
    events: list[str] = []

    async def override() -> AsyncIterator[int]:
        yield 4
        events.append("closed")

    app = FastAPI()
    app.dependency_overrides[number] = override

    @app.get("/")
    async def read(request: Request) -> int:
        solved: int = await compat.solve(number, request)
        events.append("used")
        return solved

    assert TestClient(app).get("/").json() == 4
    assert events == ["used", "closed"]


def test_fastapi_keeps_an_exit_stack_with_the_request() -> None:
    app = FastAPI()

    @app.get("/")
    async def read(request: Request) -> bool:
        return isinstance(request.scope["fastapi_inner_astack"], AsyncExitStack)

    assert TestClient(app).get("/").json() is True


async def by_header(x_tenant: Annotated[str, Header()]) -> None: ...
async def by_cookie(tenant: Annotated[str, Cookie()]) -> None: ...
async def by_request(request: Request) -> None: ...
async def by_query(tenant: str) -> None: ...
async def by_another(tenant: Annotated[None, Depends(by_header)]) -> None: ...


@pytest.mark.parametrize(
    ("dependency", "headers"),
    [
        (by_header, ["x-tenant"]),
        (by_cookie, ["cookie"]),
        (by_request, ["authorization", "cookie"]),
        (by_query, []),
        (by_another, ["x-tenant"]),
        (HTTPBearer(), ["authorization"]),
        (APIKeyHeader(name="X-Key"), ["x-key"]),
        (APIKeyCookie(name="key"), ["cookie"]),
    ],
)
def test_the_headers_of_a_dependency_are_found(
    dependency: Callable[..., Any], headers: list[str]
) -> None:
    assert compat.headers_of(Depends(dependency)) == headers


def test_the_400_of_a_body_that_is_not_json_has_this_detail() -> None:
    app = FastAPI()

    @app.post("/")
    async def create(body: dict[str, int]) -> None: ...

    deep = "[" * 100_000  # which Python's JSON reader does not follow
    response = TestClient(app).post("/", content=deep, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["detail"]) == (400, compat.BODY_ERROR)


def test_a_request_accepts_another_receive() -> None:
    app = FastAPI()

    @app.post("/")
    async def create(request: Request) -> str:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"other", "more_body": False}

        compat.replace_receive(request, receive)
        return (await request.body()).decode()

    assert TestClient(app).post("/", content=b"body").json() == "other"


def test_the_query_parameters_of_an_endpoint_and_its_dependencies_are_found() -> None:
    def tenant(tenant: int = 0) -> int:
        return tenant

    app = FastAPI()

    @app.get("/")
    async def read(
        number: Annotated[int, Depends(tenant)], text: str = "", key: str = Header()
    ) -> None: ...

    (route,) = [route for route in app.routes if isinstance(route, APIRoute)]
    assert compat.declared_query_names(route) == {"tenant", "text"}


def test_a_route_of_starlette_declares_no_query_parameters() -> None:
    assert compat.declared_query_names(Route("/", endpoint)) == frozenset()


class TestOptionalDependencies:
    """``solve_optional_apart``: dependencies whose 401 or 403 does not fail the request."""

    @staticmethod
    def client(optional: Any, *required: Any) -> TestClient:
        class Optional(compat.OptionalDependency):
            async def __call__(self, request: Request, result: Annotated[Any, optional]) -> None:
                request.state.result = result

            def failed(self, request: Request, error: HTTPException) -> None:
                request.state.result = error.detail

        class OptionalRoute(APIRoute):
            def get_route_handler(self) -> Any:
                handler = super().get_route_handler()
                compat.solve_optional_apart(handler)
                return handler

        app = FastAPI()
        app.router.route_class = OptionalRoute

        @app.get("/", dependencies=[*required, Depends(Optional())])
        async def read(request: Request) -> Any:
            return request.state.result

        return TestClient(app)

    def test_a_401_or_403_is_recorded(self) -> None:
        def refuse(status: int) -> int:
            if status != 200:
                raise HTTPException(status, "No")
            return status

        client = self.client(Depends(refuse))
        for status in (401, 403):
            assert client.get(f"/?status={status}").json() == "No"
        assert client.get("/?status=200").json() == 200
        assert client.get("/?status=404").status_code == 404
        assert client.get("/?status=x").status_code == 422

    def test_dependencies_of_others_are_solved_once(self) -> None:
        calls: list[Any] = []

        def token() -> str:
            calls.append("token")
            return "t"

        def user(scopes: SecurityScopes, token: Annotated[str, Depends(token)]) -> list[str]:
            calls.append(scopes.scopes)
            return scopes.scopes

        def refuse(user: Annotated[list[str], Security(user, scopes=["a"])]) -> str:
            return user[0]

        client = self.client(Depends(refuse), Security(user, scopes=["a"]))
        for overrides in ({}, {number: number}):
            calls.clear()
            client.app.dependency_overrides = overrides  # type: ignore[attr-defined]  # of FastAPI
            assert client.get("/").json() == "a"
            assert calls == ["token", ["a"]]

    @pytest.mark.parametrize("handler", [endpoint, None, FastAPI()])
    def test_a_handler_that_looks_different_stays_as_it_is(self, handler: Any) -> None:
        compat.solve_optional_apart(handler)


def test_the_dependencies_of_an_inclusion_are_found() -> None:
    inner, outer = APIRouter(), APIRouter(dependencies=[Depends(number)])
    outer.include_router(inner, dependencies=[Security(number, scopes=["a"])])
    app = FastAPI()
    app.include_router(outer)
    app.include_router(inner, prefix="/again")

    (nested, plain) = compat.inclusion_dependencies(app, inner)

    assert [dependency.dependency for dependency in nested] == [number, number]
    assert plain == []
