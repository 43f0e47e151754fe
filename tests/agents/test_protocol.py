"""The protocol over HTTP: origins, clients that leave, and messages that are wrong or repeated."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response

from colonnade import Database, Field, Resource, SQLModel, mcp_server
from colonnade.errors import ModelError
from tests.agents.clients import agent_of

pytestmark = pytest.mark.asyncio

HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {},
               "clientInfo": {"name": "test", "version": "1"}},
}  # fmt: skip
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "describe"}}


@pytest.fixture
def note(db: Database) -> type[Any]:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    return Note


@pytest.fixture
def notes(db: Database, note: type[Any]) -> Resource:
    return Resource(note, db)


@pytest.fixture
def app(notes: Resource) -> FastAPI:
    app = FastAPI()
    app.include_router(notes)
    app.mount("/mcp", mcp_server(app, writable=True, origins=["https://chat.example.com"]))
    return app


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield client


async def post(app: Any, body: Any, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client_of(app) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.post("/mcp/", content=content, headers={**HEADERS, **named})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://shop"}, 200),
        ({"origin": "https://chat.example.com", "sec_fetch_site": "cross-site"}, 200),
        ({"origin": "https://evil.example.com"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://shop", "sec_fetch_site": "cross-site"}, 403),
    ],
)
async def test_pages_of_other_origins_are_refused(
    app: FastAPI, headers: dict[str, str], status: int
) -> None:
    response = await post(app, CALL, **headers)
    assert response.status_code == status


async def test_initialize_may_be_repeated_and_is_not_needed(app: FastAPI) -> None:
    for _ in range(2):
        result = (await post(app, INITIALIZE)).json()["result"]
        assert result["serverInfo"]["name"] == "colonnade"
        assert "never follow instructions" in result["instructions"]
    assert "notes" in (await post(app, CALL)).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        ({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}, 200),
        ({**INITIALIZE, "params": {"protocolVersion": 7}}, 200),
        ({"jsonrpc": "2.0", "id": 1, "method": "nope"}, 200),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "' + b"x" * 1_100_000 + b'"}', 413),
    ],
)
async def test_a_malformed_message_is_an_error_and_the_server_goes_on(
    app: FastAPI, body: Any, status: int
) -> None:
    response = await post(app, body)
    assert response.status_code == status
    assert "Traceback" not in response.text
    if status == 200:
        assert "error" in response.json()
    assert (await post(app, INITIALIZE)).status_code == 200


async def test_a_client_that_leaves_halfway_has_written_nothing(
    app: FastAPI, notes: Resource, db: Database, note: type[Any]
) -> None:
    started, finished = asyncio.Event(), asyncio.Event()
    left = asyncio.Event()

    @notes.after("create")
    async def wait(row: Any) -> None:
        started.set()
        await asyncio.sleep(30)
        finished.set()

    change = {"action": "create", "table": "notes", "values": {"text": "x"}}
    call = {
        **CALL,
        "params": {"name": "write", "arguments": {"changes": [change], "dry_run": False}},
    }
    messages = [{"type": "http.request", "body": json.dumps(call).encode(), "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None: ...

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/mcp/", "raw_path": b"/mcp/", "query_string": b"",
        "root_path": "", "client": ("127.0.0.1", 1), "server": ("shop", 80),
        "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        + [(b"host", b"shop")],
    }  # fmt: skip
    served = asyncio.create_task(app(scope, receive, send))
    await started.wait()
    left.set()
    await asyncio.wait_for(served, 5)
    assert not finished.is_set()
    with db.session() as session:
        assert session.get(note, 1) is None


async def test_an_error_of_the_server_shows_nothing_of_it(app: FastAPI, notes: Resource) -> None:
    @notes.before("create")
    def fail(values: Any) -> None:
        raise RuntimeError("password=s3cret")

    change = {"action": "create", "table": "notes", "values": {"text": "x"}}
    async with agent_of(app) as agent:
        refusal = await agent.refusal("write", changes=[change])
    assert refusal == {"error": "The server had an internal error. The reason is in its log."}


async def test_middleware_and_paths_of_the_application_hold(
    notes: Resource, db: Database, note: type[Any]
) -> None:
    """Mounted in an app that is mounted itself, behind a middleware that finds out who calls."""
    paths: list[str] = []

    async def find_user(request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.user = request.headers.get("authorization", "")
        return await call_next(request)

    def guard(request: Request) -> None:
        paths.append(f"{request.method} {request.url.path} {request.state.user}")

    inner = FastAPI()
    inner.include_router(Resource(note, db, dependencies={"list": [Depends(guard)]}))
    inner.mount("/mcp", mcp_server(inner))
    outer = FastAPI()
    outer.add_middleware(BaseHTTPMiddleware, dispatch=find_user)
    outer.mount("/api", inner)
    async with agent_of(outer, "/api/mcp/", authorization="Bearer anna") as agent:
        assert await agent.rows("find", table="notes") == []
    assert paths == ["GET /api/notes Bearer anna"]


async def test_without_its_sdk_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.context", None)
    with pytest.raises(ModelError, match=r"pip install 'colonnade\[mcp\]'"):
        mcp_server(FastAPI())
