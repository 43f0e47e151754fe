"""Known mistakes of CRUD libraries, and the worst that a client can send."""

import asyncio
import json
from types import SimpleNamespace
from typing import Annotated, Any, Optional
from urllib.parse import quote

import pytest
from fastapi import Header
from fastapi.testclient import TestClient
from pydantic import BaseModel

from colonnade import Database, Field, Relationship, Resource, SQLModel
from tests.resources.sample_app import all_resources, serving


@pytest.fixture
def projects_with_tasks(client: TestClient) -> None:
    """Three projects with four tasks each, all with the same progress."""
    for number in (1, 2, 3):
        client.post("/projects", json={"name": f"P{number}", "slug": f"p{number}"})
        rows = [{"title": f"T{index}", "project_id": number} for index in range(4)]
        assert client.post("/tasks:batch", json=rows).status_code == 201


def status_and_field(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["errors"][0].get("field")


def test_writes_return_only_the_fields_of_the_read_schema(
    db: Database, models: SimpleNamespace
) -> None:
    class WorkerId(BaseModel):
        id: str

    workers = Resource(models.Worker, db, read=WorkerId)
    with serving(workers) as client:
        responses = [
            client.post("/workers", json={"id": "@ana", "token": "hunter2"}),
            client.patch("/workers/@ana", json={"token": "hunter3"}),
            client.post("/workers:batch", json=[{"id": "@bot", "token": "hunter4"}]),
        ]
        assert [response.json() for response in responses] == [
            {"id": "@ana"}, {"id": "@ana"}, [{"id": "@bot"}],
        ]  # fmt: skip
        wrong = client.post("/workers", json={"id": "x" * 99, "token": "hunter2"})
        assert "hunter" not in wrong.text + "".join(response.text for response in responses)


@pytest.fixture
def tenant_client(db: Database, models: SimpleNamespace, store: Any) -> Any:
    def owned_by_user(user: Annotated[int | None, Header(alias="User")] = None) -> Any:
        return None if user is None else {"owner_id": user}

    store(models.Task(id=1, title="Mine", owner_id=1), models.Task(id=2, title="Other", owner_id=2))
    with serving(*all_resources(db, models, scope=owned_by_user)) as client:
        yield client


REQUESTS_FOR_ANOTHER_TENANT: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/tasks/2", None),
    ("PATCH", "/tasks/2", {"title": "x"}),
    ("DELETE", "/tasks/2", None),
    ("PATCH", "/tasks:batch", [{"id": 2, "title": "x"}]),
    ("DELETE", "/tasks:batch?key=2", None),
    ("GET", "/tasks/2/subtasks", None),
    ("GET", "/tasks/2/labels", None),
    ("PUT", "/tasks/2/workers/@ana", None),
    ("DELETE", "/tasks/2/workers/@ana", None),
)


@pytest.mark.parametrize(("method", "url", "body"), REQUESTS_FOR_ANOTHER_TENANT)
def test_no_method_reaches_the_rows_of_another_tenant(
    tenant_client: TestClient, method: str, url: str, body: Any
) -> None:
    response = tenant_client.request(method, url, json=body, headers={"User": "1"})
    assert response.status_code == 404
    assert tenant_client.get("/tasks/2", headers={"User": "2"}).json()["title"] == "Other"


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [*REQUESTS_FOR_ANOTHER_TENANT, ("GET", "/tasks", None), ("POST", "/tasks", {"title": "x"})],
)
def test_a_scope_of_none_denies_access_instead_of_filtering(
    tenant_client: TestClient, method: str, url: str, body: Any
) -> None:
    assert tenant_client.request(method, url, json=body).status_code == 403


@pytest.mark.parametrize(
    "query", ["owner_id=2", "owner_id__in=1,2&owner_id__gte=2", 'where={"or":[{"owner_id":2}]}']
)
def test_no_parameter_overrides_the_scope(tenant_client: TestClient, query: str) -> None:
    assert tenant_client.get(f"/tasks?{query}", headers={"User": "1"}).json() == []


@pytest.mark.usefixtures("projects_with_tasks")
class TestPages:
    def test_a_page_filtered_by_children_counts_each_parent_once(self, client: TestClient) -> None:
        response = client.get("/projects?tasks__title__startswith=T&limit=2&count=exact")
        assert [row["id"] for row in response.json()] == [1, 2]
        assert response.headers["X-Total-Count"] == "3"

    @pytest.mark.parametrize("order", ["progress", "-progress", "-progress,-id", "progress,-title"])
    def test_pages_of_equal_values_lose_no_row(self, client: TestClient, order: str) -> None:
        seen: list[int] = []
        url: str | None = f"/tasks?limit=5&order_by={order}"
        while url is not None:
            response = client.get(url)
            seen += [row["id"] for row in response.json()]
            url = response.links.get("next", {}).get("url")
            assert len(seen) <= 12
        assert sorted(seen) == list(range(1, 13))

    @pytest.mark.parametrize("cursor", ["0", "1", "null", "", "MA=="])
    def test_an_invented_cursor_is_refused(self, client: TestClient, cursor: str) -> None:
        assert status_and_field(client.get(f"/tasks?cursor={cursor}")) == (422, "cursor")

    def test_limit_and_offset_are_bounded(self, client: TestClient) -> None:
        assert len(client.get("/tasks?limit=5").json()) == 5
        assert status_and_field(client.get("/tasks?limit=100000000")) == (422, "limit")
        assert status_and_field(client.get("/tasks?limit=0")) == (422, "limit")
        assert status_and_field(client.get("/tasks?offset=-1")) == (422, "offset")

    def test_a_page_past_the_end_has_the_correct_total(self, client: TestClient) -> None:
        response = client.get("/tasks?offset=50&count=exact")
        assert (response.json(), response.headers["X-Total-Count"]) == ([], "12")


def test_only_columns_can_be_sorted_by(client: TestClient) -> None:
    for name in ("nothing", "project", "metadata", "__table__", "__class__", "id;--", "pk"):
        assert status_and_field(client.get(f"/tasks?order_by={name}")) == (422, "order_by")


@pytest.mark.parametrize(
    "query",
    [
        "order_by=token", "order_by=-token", "token=x", "token__startswith=h", "fields=token",
        'where={"token":"x"}', 'where={"not":{"token__is_null":true}}',
    ],
)  # fmt: skip
def test_a_secret_field_is_treated_like_an_unknown_field(client: TestClient, query: str) -> None:
    secret = client.get(f"/workers?{query}")
    assert secret.status_code == 422
    # The response is the same as for a field that does not exist.
    unknown = client.get(f"/workers?{query.replace('token', 'nokey')}")
    assert secret.text.replace("token", "nokey") == unknown.text
    assert client.get("/tasks?workers__token__startswith=h").status_code == 422


PRIVATE_NAMES = (
    "_connector=OR", "_negated=true", "__class__=x", "title__regex=x", "title__iregex=x",
    "title__exact=x", "project__owner__id=1", "pk=1", "project___connector=x", "id__=1",
    'where={"_connector":"OR"}', 'where={"project":{"__class__":"x"}}', "metadata__tables=x",
)  # fmt: skip


def test_private_names_are_refused(client: TestClient) -> None:
    for query in PRIVATE_NAMES:
        assert client.get(f"/tasks?{query}").status_code == 422


LIKE_PATTERNS: tuple[tuple[str, list[str]], ...] = (
    ("title__contains=%25", ["50%"]),
    ("title__contains=_", ["a_b"]),
    ("title__contains=%5C", ["c\\d"]),
    ("title__icontains=%25", ["50%"]),
    ("title__startswith=a_", ["a_b"]),
    ("title__iendswith=_B", ["a_b"]),
    ("title__iendswith=a", []),
    ("title__endswith=%25", ["50%"]),
)  # fmt: skip


def test_wildcards_of_like_are_ordinary_characters(client: TestClient) -> None:
    titles = ["50%", "a_b", "axb", "c\\d"]
    client.post("/tasks:batch", json=[{"title": title} for title in titles])
    for query, expected in LIKE_PATTERNS:
        assert [row["title"] for row in client.get(f"/tasks?{query}").json()] == expected


@pytest.mark.usefixtures("projects_with_tasks")
class TestWrites:
    def test_an_update_changes_only_the_named_rows(self, client: TestClient) -> None:
        client.patch("/tasks:batch", json=[{"id": 1, "title": "x"}])
        client.patch("/tasks/2", json={"title": "y"})
        titles = [row["title"] for row in client.get("/tasks").json()]
        assert titles == ["x", "y", *("T2", "T3"), *("T0", "T1", "T2", "T3") * 2]

    def test_an_update_keeps_the_other_fields(self, client: TestClient) -> None:
        client.patch("/tasks/1", json={"description": "There", "progress": 9})
        row = client.patch("/tasks/1", json={"title": "x"}).json()
        assert (row["description"], row["progress"], row["project_id"]) == ("There", 9, 1)

    def test_a_violated_constraint_is_a_conflict(self, client: TestClient) -> None:
        for method, url in (("POST", "/projects"), ("PATCH", "/projects/1")):
            twice = client.request(method, url, json={"name": "x", "slug": "p2"})
            assert (twice.status_code, twice.json()["type"]) == (409, "urn:colonnade:unique")
        for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/1")):
            nowhere = client.request(method, url, json={"title": "x", "project_id": 9})
            kind = "urn:colonnade:foreign_key"
            assert (nowhere.status_code, nowhere.json()["type"]) == (409, kind)


async def send_raw(client: TestClient, query: str) -> tuple[int, Any]:
    """Send a request to the ASGI app: no client sends a query string of this length."""
    sent: list[Any] = []
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/tasks", "scheme": "http",
        "root_path": "", "headers": [], "query_string": query.encode(), "server": ("x", 80),
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await client.app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


ODD_QUERIES = (
    "id__in=" + ",".join(map(str, range(100_000))),
    "id__in=" + json.dumps(list(range(100_000))).replace(" ", ""),
    "where=" + quote(json.dumps({"id": {"in": list(range(100_000))}})),
    "where=" + quote('{"not":' * 5_000 + "{}" + "}" * 5_000),
    "where=" + quote('{"and":[' * 200 + "{}" + "]}" * 200),
    "where=" + quote(json.dumps({"or": [{"id": 1}] * 100_000})),
    "where=" + "%5B" * 100_000,
    "&".join(["id=1"] * 10_000),
    "order_by=" + "id," * 10_000,
    "include=" + "project," * 10_000,
    "title__contains=" + "x" * 1_000_000,
    "cursor=" + "x" * 1_000_000,
    "x" * 1_000_000 + "=1",
    "order_by=" + "x" * 1_000_000,
    "id__in=" + "9" * 5_000,
    "title=%00",
    "title=%ED%A0%80",
    "where=" + quote('{"title": "\\ud800"}'),
    "where=" + quote('{"title": "\\u0000"}'),
    "id=" + str(2**63),
    "progress__gt=9999999999999999999",
    "due__lt=2026-01-01T00:00:00",
    "due__lt=0001-01-01T00:00:00%2B14:00",
    "%00=1",
    "=",
)  # fmt: skip


def test_odd_queries_get_a_short_response(client: TestClient) -> None:
    for query in ODD_QUERIES:
        status, body = asyncio.run(send_raw(client, query))
        # Text may have any length, and bytes that are not UTF-8 are read as U+FFFD.
        assert status == (200 if query.startswith(("title__contains", "title=%ED")) else 422)
        assert len(json.dumps(body)) < 5_000


def test_a_value_that_does_not_fit_its_column_is_a_problem(client: TestClient) -> None:
    for body in ({"title": "x" * 201}, {"title": "x", "owner_id": 2**31}):
        response = client.post("/tasks", json=body)
        assert (response.status_code, response.headers["Content-Type"]) == (
            422, "application/problem+json",
        )  # fmt: skip


@pytest.mark.slow
def test_table_names_do_not_conflict_with_internal_names(db: Database) -> None:
    class Tree(SQLModel, table=True):  # a likely name for the CTE of a tree
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="tree.id", index=True)
        kept_id: int | None = Field(default=None, foreign_key="kept.id", index=True)
        parent: Optional["Tree"] = Relationship(
            back_populates="below", sa_relationship_kwargs={"remote_side": "Tree.id"}
        )
        below: list["Tree"] = Relationship(back_populates="parent")
        kept: Optional["Kept"] = Relationship()

    class Kept(SQLModel, table=True):  # a likely name for the subquery of a page
        id: int | None = Field(default=None, primary_key=True)
        name: str

    db.create_all()
    trees = Resource(Tree, db, include=["kept", "below"])
    with serving(trees, Resource(Kept, db)) as client:
        client.post("/kepts", json={"name": "k"})
        client.post("/trees", json={"kept_id": 1})
        client.post("/trees", json={"parent_id": 1})
        assert client.get("/trees?include=kept&fields=id&limit=1").json() == [
            {"id": 1, "kept": {"id": 1, "name": "k"}}
        ]
        below = client.get("/trees/1/below?depth=all&fields=id").json()
        assert below == [{"id": 2}]
        assert [row["name"] for row in client.get("/kepts").json()] == ["k"]
