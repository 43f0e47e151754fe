"""Routes that nothing guards bypass FastAPI's matching; everything that an app adds still holds.

Each test runs twice: as it is, and with FastAPI's way for all requests.
"""

import gc
import gzip
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.routing import Mount
from starlette.types import Scope

from colonnade import Database, Field, Resource, Session, SQLModel
from colonnade.resources._reads import ReadOperations
from colonnade.resources.routes._direct_routes import DirectRoutes


@pytest.fixture(params=["direct", "by FastAPI"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How routes without dependencies are reached."""
    if request.param == "by FastAPI":
        monkeypatch.setattr(DirectRoutes, "match", lambda *_: False)
    return str(request.param)


@pytest.fixture
def note(db: Database) -> Any:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = Field(unique=True)

    db.create_all()
    with db.session() as session:
        session.add(Note(text="First"))
        session.commit()
    return Note


@pytest.fixture
def notes(db: Database, note: Any, way: str) -> Resource:
    return Resource(note, db)


@pytest.fixture
def app(notes: Resource) -> FastAPI:
    app = FastAPI()
    app.include_router(notes)
    return app


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch, way: str) -> Callable[[], int]:
    """The number of requests so far that bypassed FastAPI."""
    served: list[bool] = []
    handle = DirectRoutes.handle

    async def counted(self: DirectRoutes, *arguments: Any) -> bool:
        served.append(await handle(self, *arguments))
        return served[-1]

    monkeypatch.setattr(DirectRoutes, "handle", counted)
    return lambda: sum(served)


def refuse() -> None:
    raise HTTPException(401, "Who are you?")


def test_every_plain_request_of_rows_is_direct(
    app: FastAPI, way: str, direct: Callable[[], int]
) -> None:
    client = TestClient(app)
    assert client.get("/notes").json() == [{"id": 1, "text": "First"}]
    assert client.get("/notes/1").json() == {"id": 1, "text": "First"}
    created = client.post("/notes", json={"text": "Second"})
    assert (created.status_code, created.headers["location"]) == (201, "/notes/2")
    assert client.patch("/notes/2", json={"text": "2nd"}).json() == {"id": 2, "text": "2nd"}
    assert client.delete("/notes/2").json() == {"ok": True}
    assert direct() == (5 if way == "direct" else 0)


def test_other_requests_are_not_direct(app: FastAPI, direct: Callable[[], int]) -> None:
    client = TestClient(app)
    assert client.head("/notes/1").content == b""
    assert client.put("/notes/1").headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert client.get("/notes/").history[0].status_code == 307
    assert client.get("/notes/1/2").status_code == 404
    assert client.get("/notesque").status_code == 404
    assert client.post("/notes:batch", json=[{"text": "Third"}]).status_code == 201
    # The redirect leads to a request that is direct.
    assert direct() <= 1


def test_errors_are_problems(app: FastAPI) -> None:
    client = TestClient(app)
    assert client.get("/notes/7").json()["type"].endswith("not_found")
    assert client.get("/notes/x").status_code == 422
    assert client.get("/notes?nothing=1").status_code == 422
    assert client.post("/notes", json={"text": "First"}).json()["type"].endswith("unique")
    assert client.post("/notes", json={}).status_code == 422
    assert client.post("/notes", content=b" " * 5_000_000).status_code == 413


@pytest.mark.parametrize("level", ["app", "router", "inclusion", "resource", "operation"])
def test_a_dependency_of_any_level_holds(db: Database, note: Any, way: str, level: str) -> None:
    guard = [Depends(refuse)]
    by_level: dict[str, Any] = {"resource": guard, "operation": {"read": guard}}
    resource = Resource(note, db, dependencies=by_level.get(level, ()))
    router = APIRouter(dependencies=guard if level == "router" else [])
    router.include_router(resource, dependencies=guard if level == "inclusion" else [])
    app = FastAPI(dependencies=guard if level == "app" else [])
    app.include_router(router)
    client = TestClient(app)
    assert client.get("/notes/1").status_code == 401
    assert client.get("/notes").status_code == (200 if level == "operation" else 401)


def test_the_inclusions_of_one_resource_keep_their_dependencies(
    notes: Resource, direct: Callable[[], int], way: str
) -> None:
    app = FastAPI()
    app.include_router(notes, prefix="/open")
    app.include_router(notes, prefix="/closed", dependencies=[Depends(refuse)])
    client = TestClient(app)
    assert client.get("/open/notes/1").status_code == 200
    assert client.get("/closed/notes/1").status_code == 401
    assert client.get("/open/notes?limit=1").status_code == 200
    assert client.get("/notes/1").status_code == 404
    assert direct() == (2 if way == "direct" else 0)


def test_an_override_of_the_session_holds(
    app: FastAPI, db: Database, direct: Callable[[], int]
) -> None:
    used: list[bool] = []

    def provide() -> Iterator[Session]:
        with db.session() as session:
            used.append(True)
            yield session

    client = TestClient(app)
    app.dependency_overrides[db.get_session] = provide
    assert client.get("/notes/1").status_code == 200
    assert (direct(), used) == (0, [True])
    app.dependency_overrides.clear()
    assert client.get("/notes/1").status_code == 200
    assert used == [True]


@pytest.mark.parametrize("path", ["/notes/1", "/notes/{number}", "/notes/{rest:path}"])
def test_an_endpoint_of_the_resource_matches_first(
    notes: Resource, path: str, direct: Callable[[], int]
) -> None:
    @notes.get(path.removeprefix("/notes"))
    async def mine() -> str:
        return "mine"

    app = FastAPI()
    app.include_router(notes)
    assert TestClient(app).get("/notes/1").json() == "mine"
    assert direct() == 0


def test_an_endpoint_may_be_added_while_the_app_serves(app: FastAPI, notes: Resource) -> None:
    client = TestClient(app)
    assert client.get("/notes/1").json() == {"id": 1, "text": "First"}

    @notes.get("/1")
    async def mine() -> str:
        return "mine"

    assert client.get("/notes/1").json() == "mine"


def test_an_endpoint_of_the_app_matches_first(notes: Resource) -> None:
    app = FastAPI()

    @app.get("/notes/1")
    async def mine() -> str:
        return "mine"

    app.include_router(notes)
    assert TestClient(app).get("/notes/1").json() == "mine"


def test_a_router_in_the_resource_is_asked(notes: Resource) -> None:
    inner = APIRouter()

    @inner.get("/1")
    async def mine() -> str:
        return "mine"

    notes.include_router(inner)
    app = FastAPI()
    app.include_router(notes)
    assert TestClient(app).get("/notes/1").json() == "mine"


def test_a_websocket_has_the_path_of_a_row(notes: Resource) -> None:
    @notes.websocket("/1")
    async def echo(websocket: Any) -> None: ...

    app = FastAPI()
    app.include_router(notes)
    assert TestClient(app).get("/notes/1").json() == {"id": 1, "text": "First"}


@pytest.mark.parametrize("mounted", [False, True])
def test_links_have_the_root_path(notes: Resource, mounted: bool) -> None:
    inner = FastAPI()
    inner.include_router(notes)
    app = FastAPI()
    app.mount("/api", inner)
    client = TestClient(app) if mounted else TestClient(inner, root_path="/api")
    created = client.post("/api/notes", json={"text": "Second"})
    assert created.headers["location"] == "/api/notes/2"
    link = client.get("/api/notes?limit=1").headers["link"]
    assert link.startswith("</api/notes?limit=1&cursor=")
    assert client.get("/api/notes/2").json()["text"] == "Second"


@pytest.mark.parametrize("others", ["asks", "rewrites the path", "rewrites the method"])
def test_a_middleware_that_asks_the_routes_opens_nothing(
    db: Database, note: Any, way: str, others: str
) -> None:
    """Instruments ask the routes by ``matches`` which of them answers, before the app does."""
    guarded = Resource(note, db, dependencies=[Depends(refuse)])
    both = Resource(note, db, dependencies={"delete": [Depends(refuse)]}, prefix="/both")
    app = FastAPI()
    app.include_router(guarded)
    app.include_router(both)
    app.include_router(Resource(note, db, prefix="/open"))
    app.include_router(Resource(note, db))  # the same paths as the guarded one

    class Asking:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope["app"] = app
                for route in app.router.routes:
                    route.matches(scope)
                if others == "rewrites the path":
                    scope["path"] = "/notes/1"
                if others == "rewrites the method":
                    scope["method"] = "DELETE"
            await self._inner(scope, receive, send)

    app.add_middleware(Asking)
    client = TestClient(app)
    path = {"asks": "/notes/1", "rewrites the path": "/open/1", "rewrites the method": "/both/1"}
    assert client.get(path[others]).status_code == 401


def test_an_app_is_forgotten_with_its_resource_still_there(notes: Resource) -> None:
    app = FastAPI()
    app.include_router(notes)
    assert TestClient(app).get("/notes/1").status_code == 200
    alive = ref(app)
    del app
    gc.collect()
    assert alive() is None


def test_another_kind_of_app_may_serve_the_router(notes: Resource) -> None:
    router = APIRouter()
    router.include_router(notes)
    app = Starlette(routes=[Mount("/api", app=router)])
    assert TestClient(app).get("/api/notes/1").json() == {"id": 1, "text": "First"}


def test_a_prefix_of_an_inclusion_may_have_parameters(notes: Resource) -> None:
    app = FastAPI()
    app.include_router(notes, prefix="/{language}")
    assert TestClient(app).get("/en/notes/1").json() == {"id": 1, "text": "First"}


def test_middleware_sees_the_route_and_the_parameters(app: FastAPI) -> None:
    seen: list[tuple[str, dict[str, Any], str]] = []

    @app.middleware("http")
    async def look(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        scope: Scope = request.scope
        seen.append((scope["route"].path, scope["path_params"], scope["endpoint"].__name__))
        return response

    client = TestClient(app)
    client.get("/notes/1")
    client.get("/notes")
    assert seen == [("/notes/{id}", {"id": "1"}, "read_row"), ("/notes", {}, "list_rows")]


def test_cors_and_gzip_hold(app: FastAPI, db: Database, note: Any) -> None:
    app.add_middleware(GZipMiddleware, minimum_size=100)
    app.add_middleware(CORSMiddleware, allow_origins=["https://example.com"])
    with db.session() as session:
        session.add(note(text="x" * 1_000))
        session.commit()
    headers = {"Origin": "https://example.com", "Accept-Encoding": "gzip"}
    with TestClient(app).stream("GET", "/notes/2", headers=headers) as response:
        body = b"".join(response.iter_raw())
        assert response.headers["content-encoding"] == "gzip"
        assert response.headers["access-control-allow-origin"] == "https://example.com"
    assert b"x" * 1_000 in gzip.decompress(body)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every statement of a Resource fail."""

    async def fail(*_: Any, **__: Any) -> Any:
        raise LookupError("broken")

    monkeypatch.setattr(Database, "run_async", fail)


@pytest.mark.usefixtures("broken")
def test_an_exception_handler_gets_the_request_with_its_body(app: FastAPI) -> None:
    @app.exception_handler(LookupError)
    async def answer(request: Request, error: LookupError) -> Response:
        body = await request.json()
        return JSONResponse([str(error), body, request.path_params], 503)

    response = TestClient(app).patch("/notes/1", content='{"text":"New"}', headers=JSON)
    assert (response.status_code, response.json()) == (
        503,
        ["broken", {"text": "New"}, {"id": "1"}],
    )


JSON = {"Content-Type": "application/json"}


@pytest.mark.usefixtures("broken")
def test_an_error_without_a_handler_is_that_of_the_server(app: FastAPI) -> None:
    with pytest.raises(LookupError, match="broken"):
        TestClient(app).get("/notes/1")
    assert TestClient(app, raise_server_exceptions=False).get("/notes/1").status_code == 500


def test_a_background_task_of_a_response_runs(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    row = ReadOperations.row

    async def with_task(self: Any, *arguments: Any) -> Response:
        response = await row(self, *arguments)
        response.background = BackgroundTask(done.append, "done")
        return response

    monkeypatch.setattr(ReadOperations, "row", with_task)
    assert TestClient(app).get("/notes/1").status_code == 200
    assert done == ["done"]


def test_a_body_limit_of_the_app_holds(notes: Resource, direct: Callable[[], int]) -> None:
    app = FastAPI()
    app.include_router(notes, max_body_size=10)
    client = TestClient(app)
    assert client.post("/notes", json={"text": "Much too long"}).status_code == 413
    assert direct() == 0


def test_fastapi_solves_nothing_for_a_route_without_dependencies(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse_to_solve(**_: Any) -> Any:
        raise AssertionError("nothing to solve")

    monkeypatch.setattr("fastapi.routing.solve_dependencies", refuse_to_solve)
    client = TestClient(app)
    assert client.get("/notes/1").status_code == 200
    assert client.post("/notes:batch", json=[{"text": "Second"}]).status_code == 201
