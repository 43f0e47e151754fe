"""What CRUD libraries were seen to get wrong, and what a client can send at worst."""

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
from tests.resources.world import everything, serving


@pytest.fixture
def parents(client: TestClient) -> None:
    """Three projects of four tasks each, whose progress is the same."""
    for number in (1, 2, 3):
        client.post("/projects", json={"name": f"P{number}", "slug": f"p{number}"})
        rows = [{"title": f"T{index}", "project_id": number} for index in range(4)]
        assert client.post("/tasks:batch", json=rows).status_code == 201


def field_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0].get("field")


def test_a_create_answers_what_the_read_schema_shows_and_no_more(
    db: Database, models: SimpleNamespace
) -> None:
    class Shown(BaseModel):
        id: str

    workers = Resource(models.Worker, db, read=Shown)
    with serving(workers) as client:
        answers = [
            client.post("/workers", json={"id": "@ana", "token": "hunter2"}),
            client.patch("/workers/@ana", json={"token": "hunter3"}),
            client.post("/workers:batch", json=[{"id": "@bot", "token": "hunter4"}]),
        ]
        assert [answer.json() for answer in answers] == [
            {"id": "@ana"}, {"id": "@ana"}, [{"id": "@bot"}],
        ]  # fmt: skip
        wrong = client.post("/workers", json={"id": "x" * 99, "token": "hunter2"})
        assert "hunter" not in wrong.text + "".join(answer.text for answer in answers)


@pytest.fixture
def tenant(db: Database, models: SimpleNamespace, store: Any) -> Any:
    def mine(user: Annotated[int | None, Header(alias="User")] = None) -> Any:
        return None if user is None else {"owner_id": user}

    store(models.Task(id=1, title="Mine", owner_id=1), models.Task(id=2, title="Other", owner_id=2))
    with serving(*everything(db, models, scope=mine)) as client:
        yield client


EVERY_VERB: tuple[tuple[str, str, Any], ...] = (
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


@pytest.mark.parametrize(("method", "url", "body"), EVERY_VERB)
def test_the_rows_of_another_tenant_are_reached_by_no_verb(
    tenant: TestClient, method: str, url: str, body: Any
) -> None:
    answer = tenant.request(method, url, json=body, headers={"User": "1"})
    assert answer.status_code == 404
    assert tenant.get("/tasks/2", headers={"User": "2"}).json()["title"] == "Other"


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [*EVERY_VERB, ("GET", "/tasks", None), ("POST", "/tasks", {"title": "x"})],
)
def test_a_scope_of_none_refuses_and_filters_nothing_away(
    tenant: TestClient, method: str, url: str, body: Any
) -> None:
    assert tenant.request(method, url, json=body).status_code == 403


@pytest.mark.parametrize(
    "query", ["owner_id=2", "owner_id__in=1,2&owner_id__gte=2", 'where={"or":[{"owner_id":2}]}']
)
def test_no_parameter_overrides_what_the_server_set(tenant: TestClient, query: str) -> None:
    assert tenant.get(f"/tasks?{query}", headers={"User": "1"}).json() == []


@pytest.mark.usefixtures("parents")
class TestPages:
    def test_are_of_parents_and_count_parents(self, client: TestClient) -> None:
        answer = client.get("/projects?tasks__title__startswith=T&limit=2&count=exact")
        assert [row["id"] for row in answer.json()] == [1, 2]
        assert answer.headers["X-Total-Count"] == "3"

    @pytest.mark.parametrize("order", ["progress", "-progress", "-progress,-id", "progress,-title"])
    def test_of_equal_values_lose_no_row(self, client: TestClient, order: str) -> None:
        seen: list[int] = []
        url: str | None = f"/tasks?limit=5&order_by={order}"
        while url is not None:
            answer = client.get(url)
            seen += [row["id"] for row in answer.json()]
            url = answer.links.get("next", {}).get("url")
            assert len(seen) <= 12
        assert sorted(seen) == list(range(1, 13))

    @pytest.mark.parametrize("cursor", ["0", "1", "null", "", "MA=="])
    def test_a_cursor_is_one_that_was_given(self, client: TestClient, cursor: str) -> None:
        assert field_of(client.get(f"/tasks?cursor={cursor}")) == (422, "cursor")

    def test_a_limit_is_kept_and_bounded(self, client: TestClient) -> None:
        assert len(client.get("/tasks?limit=5").json()) == 5
        assert field_of(client.get("/tasks?limit=100000000")) == (422, "limit")
        assert field_of(client.get("/tasks?limit=0")) == (422, "limit")
        assert field_of(client.get("/tasks?offset=-1")) == (422, "offset")

    def test_past_the_end_the_total_is_what_it_was(self, client: TestClient) -> None:
        answer = client.get("/tasks?offset=50&count=exact")
        assert (answer.json(), answer.headers["X-Total-Count"]) == ([], "12")


def test_what_is_no_column_is_not_sorted_by(client: TestClient) -> None:
    for name in ("nothing", "project", "metadata", "__table__", "__class__", "id;--", "pk"):
        assert field_of(client.get(f"/tasks?order_by={name}")) == (422, "order_by")


@pytest.mark.parametrize(
    "query",
    [
        "order_by=token", "order_by=-token", "token=x", "token__startswith=h", "fields=token",
        'where={"token":"x"}', 'where={"not":{"token__is_null":true}}',
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_no_oracle(client: TestClient, query: str) -> None:
    shown = client.get(f"/workers?{query}")
    assert shown.status_code == 422
    # The same answer as of what does not exist.
    unknown = client.get(f"/workers?{query.replace('token', 'nokey')}")
    assert shown.text.replace("token", "nokey") == unknown.text
    assert client.get("/tasks?workers__token__startswith=h").status_code == 422


PRIVATE_NAMES = (
    "_connector=OR", "_negated=true", "__class__=x", "title__regex=x", "title__iregex=x",
    "title__exact=x", "project__owner__id=1", "pk=1", "project___connector=x", "id__=1",
    'where={"_connector":"OR"}', 'where={"project":{"__class__":"x"}}', "metadata__tables=x",
)  # fmt: skip


def test_a_name_is_a_column_or_nothing(client: TestClient) -> None:
    for query in PRIVATE_NAMES:
        assert client.get(f"/tasks?{query}").status_code == 422


SIGNS: tuple[tuple[str, list[str]], ...] = (
    ("title__contains=%25", ["50%"]),
    ("title__contains=_", ["a_b"]),
    ("title__contains=%5C", ["c\\d"]),
    ("title__icontains=%25", ["50%"]),
    ("title__startswith=a_", ["a_b"]),
    ("title__iendswith=_B", ["a_b"]),
    ("title__iendswith=a", []),
    ("title__endswith=%25", ["50%"]),
)  # fmt: skip


def test_signs_of_like_are_signs(client: TestClient) -> None:
    titles = ["50%", "a_b", "axb", "c\\d"]
    client.post("/tasks:batch", json=[{"title": title} for title in titles])
    for query, expected in SIGNS:
        assert [row["title"] for row in client.get(f"/tasks?{query}").json()] == expected


@pytest.mark.usefixtures("parents")
class TestWrites:
    def test_change_the_rows_they_name_and_no_other(self, client: TestClient) -> None:
        client.patch("/tasks:batch", json=[{"id": 1, "title": "x"}])
        client.patch("/tasks/2", json={"title": "y"})
        titles = [row["title"] for row in client.get("/tasks").json()]
        assert titles == ["x", "y", *("T2", "T3"), *("T0", "T1", "T2", "T3") * 2]

    def test_leave_what_is_not_named(self, client: TestClient) -> None:
        client.patch("/tasks/1", json={"description": "There", "progress": 9})
        row = client.patch("/tasks/1", json={"title": "x"}).json()
        assert (row["description"], row["progress"], row["project_id"]) == ("There", 9, 1)

    def test_a_violation_is_called_what_it_is(self, client: TestClient) -> None:
        for method, url in (("POST", "/projects"), ("PATCH", "/projects/1")):
            twice = client.request(method, url, json={"name": "x", "slug": "p2"})
            assert (twice.status_code, twice.json()["type"]) == (409, "urn:colonnade:unique")
        for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/1")):
            nowhere = client.request(method, url, json={"title": "x", "project_id": 9})
            kind = "urn:colonnade:foreign_key"
            assert (nowhere.status_code, nowhere.json()["type"]) == (409, kind)


async def ask(client: TestClient, query: str) -> tuple[int, Any]:
    """Ask the app itself: no client sends a query string of this length."""
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


def test_whatever_is_asked_is_answered(client: TestClient) -> None:
    for query in ODD_QUERIES:
        status, body = asyncio.run(ask(client, query))
        # Text of any length may be searched for, and what is no UTF-8 is read as the sign for that.
        assert status == (200 if query.startswith(("title__contains", "title=%ED")) else 422)
        assert len(json.dumps(body)) < 5_000


def test_a_body_that_does_not_fit_its_column(client: TestClient) -> None:
    for body in ({"title": "x" * 201}, {"title": "x", "owner_id": 2**31}):
        answer = client.post("/tasks", json=body)
        assert (answer.status_code, answer.headers["Content-Type"]) == (
            422, "application/problem+json",
        )  # fmt: skip


def test_tables_are_called_what_they_like(db: Database) -> None:
    class Tree(SQLModel, table=True):  # as a tree's own query might be
        id: int | None = Field(default=None, primary_key=True)
        parent_id: int | None = Field(default=None, foreign_key="tree.id", index=True)
        kept_id: int | None = Field(default=None, foreign_key="kept.id", index=True)
        parent: Optional["Tree"] = Relationship(
            back_populates="below", sa_relationship_kwargs={"remote_side": "Tree.id"}
        )
        below: list["Tree"] = Relationship(back_populates="parent")
        kept: Optional["Kept"] = Relationship()

    class Kept(SQLModel, table=True):  # as a page's rows might be
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
