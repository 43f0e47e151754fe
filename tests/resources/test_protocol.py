"""HTTP as clients, proxies and caches rely on it."""

import asyncio
import random
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header
from fastapi.security import APIKeyCookie, HTTPBearer
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
from tests.resources.world import serving


@pytest.fixture(autouse=True)
def rows(client: TestClient) -> None:
    client.post("/tasks:batch", json=[{"title": title} for title in "abc"])


@pytest.mark.parametrize("path", ["/tasks", "/tasks/1", "/tasks/1/subtasks", "/tasks/9"])
def test_head_is_answered_as_get_without_the_body(client: TestClient, path: str) -> None:
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


def test_a_405_names_the_methods_of_an_endpoint_of_the_program(
    db: Database, models: SimpleNamespace
) -> None:
    tasks = Resource(models.Task, db)

    @tasks.put("/{key}")
    def replace(key: int) -> int:
        return key

    app = FastAPI()
    app.include_router(tasks, prefix="/api")
    with TestClient(app) as client:
        allowed = client.post("/api/tasks/1").headers["Allow"]
    assert allowed == "DELETE, GET, HEAD, PATCH, PUT"


def test_a_link_header_holds_what_a_client_wrote_as_a_url(client: TestClient) -> None:
    query = b"limit=1&title__ne=x>;rel=%22next%22,<http://evil.example/?"
    answer = client.get("http://testserver/tasks?" + query.decode().replace("%22", '"'))
    raw = answer.headers["Link"]
    assert raw.count("<") == raw.count(">") == raw.count("rel=%22next%22") == 1 or "%3E" in raw
    assert answer.links["next"]["url"].startswith("/tasks?limit=1&")
    assert client.get(answer.links["next"]["url"]).status_code == 200


@pytest.mark.parametrize("key", [2**31, 2**63, 10**30, -(2**40)])
def test_a_key_that_no_column_holds_is_that_of_no_row(client: TestClient, key: int) -> None:
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
def test_a_name_that_stands_twice_in_where_is_refused(client: TestClient, query: str) -> None:
    refused = client.get(f"/tasks?{query}")
    assert refused.status_code == 422
    assert "stands twice in one object" in refused.json()["detail"]


def test_digits_of_other_scripts_are_no_depth(client: TestClient) -> None:
    assert client.get("/tasks/1/subtasks?depth=2").status_code == 200
    assert client.get("/tasks/1/subtasks?depth=\u0662").status_code == 422


@pytest.mark.parametrize("path", ["/tasks", "/tasks:batch"])
def test_a_client_that_leaves_within_its_body_is_no_error(
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
    assert sent[0]["status"] == 499  # for the log: nobody sees it


def test_answers_within_a_scope_are_private(db: Database) -> None:
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

    def own(tenant: Annotated[int, Depends(user)]) -> dict[str, int]:
        return {"owner_id": tenant}

    db.create_all()
    with serving(Resource(Note, db, scope=own)) as client:
        created = client.post("/notes", json={})
        for answer in (created, client.get("/notes"), client.get("/notes/999")):
            assert answer.headers["Cache-Control"] == "private"
            assert answer.headers["Vary"] == "authorization, cookie, x-tenant"
        tag = created.headers["ETag"]
        unchanged = client.get(created.headers["Location"], headers={"If-None-Match": tag})
        assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, "private")


def test_answers_without_a_scope_say_nothing_of_caching(client: TestClient) -> None:
    assert not {"cache-control", "vary"} & client.get("/tasks").headers.keys()


def test_an_estimate_under_a_scope_tells_of_its_own_rows_alone(db: Database) -> None:
    class Employee(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        owner_id: int
        salary: int

    def own(user: Annotated[int, Header()]) -> dict[str, int]:
        return {"owner_id": user}

    db.create_all()
    with db.session() as session:
        chosen = random.Random(1)
        session.add_all(Employee(owner_id=1, salary=chosen.randint(10, 20)) for _ in range(300))
        session.add_all(Employee(owner_id=2, salary=chosen.randint(900, 999)) for _ in range(300))
        session.commit()
        session.connection().exec_driver_sql("ANALYZE")
        session.commit()
    with serving(Resource(Employee, db, scope=own)) as client:
        for query, total in (("salary__gt=50", "0"), ("salary__gt=950", "0"), ("limit=1", "300")):
            answer = client.get(f"/employees?count=estimated&{query}", headers={"User": "1"})
            assert answer.headers["X-Total-Count"] == total
