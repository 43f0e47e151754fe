"""The HTTP semantics that clients, proxies and caches rely on."""

import asyncio
import random
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from tests.resources.sample_app import serving


@pytest.fixture(autouse=True)
def rows(client: TestClient) -> None:
    client.post("/tasks:batch", json=[{"title": title} for title in "abc"])


@pytest.mark.parametrize("path", ["/tasks", "/tasks/1", "/tasks/1/subtasks", "/tasks/9"])
def test_head_has_the_headers_of_get_without_the_body(client: TestClient, path: str) -> None:
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.headers) == (get.status_code, get.headers)
    assert head.content == b""


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/tasks", "GET, HEAD, POST"),
        ("PUT", "/tasks/1", "DELETE, GET, HEAD, PATCH"),
        ("TRACE", "/tasks:batch", "DELETE, PATCH, POST"),
        ("POST", "/tasks/1/workers/2", "DELETE, PUT"),
        ("HEAD", "/tasks:batch", "DELETE, PATCH, POST"),
    ],
)
def test_a_405_names_every_method_of_the_path(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    refused = client.request(method, path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        assert refused.json()["type"] == "urn:colonnade:method"


def test_a_405_names_the_methods_of_custom_endpoints(db: Database, models: SimpleNamespace) -> None:
    tasks = Resource(models.Task, db)

    @tasks.put("/{key}")
    def replace(key: int) -> int:
        return key

    app = FastAPI()
    app.include_router(tasks, prefix="/api")
    with TestClient(app) as client:
        allowed = client.post("/api/tasks/1").headers["Allow"]
    assert allowed == "DELETE, GET, HEAD, PATCH, PUT"


def test_a_link_header_quotes_the_url_of_the_request(client: TestClient) -> None:
    query = b"limit=1&title__ne=x>;rel=%22next%22,<http://evil.example/?"
    response = client.get("http://testserver/tasks?" + query.decode().replace("%22", '"'))
    raw = response.headers["Link"]
    assert raw.count("<") == raw.count(">") == raw.count("rel=%22next%22") == 1 or "%3E" in raw
    assert response.links["next"]["url"].startswith("/tasks?limit=1&")
    assert client.get(response.links["next"]["url"]).status_code == 200


def test_a_link_replaces_an_encoded_offset(client: TestClient) -> None:
    for title in ("One", "Two", "Three"):
        client.post("/tasks", json={"title": title})
    third = client.get("/tasks?fields=title").json()[2]
    response = client.get("/tasks?limit=1&%6fffset=1&fields=title")
    following = client.get(response.links["next"]["url"])
    assert (following.status_code, following.json()) == (200, [third])


@pytest.mark.parametrize("key", [2**31, 2**63, 10**30, -(2**40)])
def test_a_key_out_of_range_is_not_found(client: TestClient, key: int) -> None:
    assert client.get(f"/tasks/{key}").status_code == 404
    assert client.patch(f"/tasks/{key}", json={"title": "x"}).status_code == 404
    assert client.delete(f"/tasks/{key}").status_code == 404
    assert client.get("/tasks/abc").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        'where={"title": "a", "title": "b"}',
        'where={"and": [{"id": 1, "id": 2}]}',
    ],
)
def test_a_duplicate_name_in_where_is_refused(client: TestClient, query: str) -> None:
    refused = client.get(f"/tasks?{query}")
    assert refused.status_code == 422
    assert "occurs twice in one object" in refused.json()["detail"]


def test_digits_of_other_scripts_are_not_a_depth(client: TestClient) -> None:
    assert client.get("/tasks/1/subtasks?depth=2").status_code == 200
    assert client.get("/tasks/1/subtasks?depth=\u0662").status_code == 422


@pytest.mark.parametrize("path", ["/tasks", "/tasks:batch"])
def test_a_disconnect_during_the_body_is_not_an_error(
    db: Database, models: SimpleNamespace, path: str
) -> None:
    app = FastAPI()
    app.include_router(Resource(models.Task, db))
    messages = [
        {"type": "http.request", "body": b'{"ti', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(b"content-type", b"application/json")],
        "http_version": "1.1", "scheme": "http", "server": ("app", 80), "client": ("client", 1),
        "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 499  # for the log: no client sees it


def test_responses_under_a_scope_are_private(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int

    bearer, cookie = HTTPBearer(auto_error=False), APIKeyCookie(name="s", auto_error=False)

    def user(
        token: Annotated[Any, Depends(bearer)],
        session: Annotated[Any, Depends(cookie)],
        tenant: Annotated[int, Header(alias="X-Tenant")] = 1,
    ) -> int:
        return tenant

    def owned_by_user(tenant: Annotated[int, Depends(user)]) -> dict[str, int]:
        return {"owner_id": tenant}

    db.create_all()
    with serving(Resource(Note, db, scope=owned_by_user)) as client:
        created = client.post("/notes", json={})
        for response in (created, client.get("/notes"), client.get("/notes/999")):
            assert response.headers["Cache-Control"] == "private"
            assert response.headers["Vary"] == "authorization, cookie, x-tenant"
        tag = created.headers["ETag"]
        unchanged = client.get(created.headers["Location"], headers={"If-None-Match": tag})
        assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, "private")


def test_responses_without_a_scope_have_no_caching_headers(client: TestClient) -> None:
    assert not {"cache-control", "vary"} & client.get("/tasks").headers.keys()


def test_an_estimated_count_under_a_scope_reveals_no_other_rows(db: Database) -> None:
    class Employee(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int
        salary: int

    def owned_by_user(user: Annotated[int, Header()]) -> dict[str, int]:
        return {"owner_id": user}

    db.create_all()
    with db.session() as session:
        generator = random.Random(1)
        session.add_all(Employee(owner_id=1, salary=generator.randint(10, 20)) for _ in range(300))
        session.add_all(
            Employee(owner_id=2, salary=generator.randint(900, 999)) for _ in range(300)
        )
        session.commit()
        session.connection().exec_driver_sql("ANALYZE")
        session.commit()
    with serving(Resource(Employee, db, scope=owned_by_user)) as client:
        for query, total in (("salary__gt=50", "0"), ("salary__gt=950", "0"), ("limit=1", "300")):
            response = client.get(f"/employees?count=estimated&{query}", headers={"User": "1"})
            assert response.headers["X-Total-Count"] == total


def test_urls_have_the_root_path_and_are_quoted(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    app = FastAPI()
    app.include_router(Resource(Row, db, prefix="/größe x"))
    with TestClient(app, root_path="/api") as client:
        created = [client.post("/größe x", json={}) for _ in range(2)]
        base = "/api/gr%C3%B6%C3%9Fe%20x"
        assert created[0].headers["Location"] == f"{base}/1"
        link = client.get("/größe x?limit=1").links["next"]["url"]
        assert link.startswith(f"{base}?limit=1&cursor=")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tasks", {"title": "x"}),
        ("POST", "/tasks:batch", [{"title": "x"}]),
        ("PATCH", "/tasks/1", {"title": "x"}),
        ("PATCH", "/tasks:batch", [{"id": 1, "title": "x"}]),
        ("DELETE", "/tasks/1", None),
        ("PUT", "/tasks/1/labels/1", None),
        ("DELETE", "/tasks/1/labels/1", None),
    ],
)
def test_a_write_refuses_query_parameters(
    client: TestClient, method: str, path: str, body: Any
) -> None:
    before = client.get("/tasks").json()
    refused = client.request(method, path, params={"fields": "id"}, json=body)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["constraint"], error["field"]) == ("unknown_parameter", "fields")
    assert client.get("/tasks").json() == before
