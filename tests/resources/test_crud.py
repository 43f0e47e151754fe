"""Rows over HTTP: created, read, changed and deleted."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database
from tests.resources.world import statements


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/tasks", json={"title": "A task", **fields})
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()
    return task


def test_a_row_is_created_read_changed_and_deleted(client: TestClient) -> None:
    created = client.post("/tasks", json={"title": "Build", "tags": ["a"]})
    task = created.json()
    assert created.headers["Location"] == f"/tasks/{task['id']}"
    assert (task["title"], task["status"], task["tags"]) == ("Build", "pending", ["a"])
    assert task["created_at"].endswith("Z")
    assert client.get("/tasks").json() == [task]
    read = client.get(created.headers["Location"])
    assert read.json() == task
    assert read.headers["ETag"] == created.headers["ETag"]
    changed = client.patch(created.headers["Location"], json={"progress": 50})
    assert changed.json() == {
        **task,
        "progress": 50,
        "updated_at": changed.json()["updated_at"],
    }
    assert changed.json()["updated_at"] > task["updated_at"]
    assert client.delete(created.headers["Location"]).json() == {"ok": True}
    assert client.get(created.headers["Location"]).status_code == 404
    assert client.delete(created.headers["Location"]).status_code == 404


def test_only_what_the_body_names_changes_and_null_is_null(client: TestClient) -> None:
    task = create(client, description="There", progress=7)
    url = f"/tasks/{task['id']}"
    assert client.patch(url, json={"title": "New"}).json()["description"] == "There"
    assert client.patch(url, json={"description": None}).json()["description"] is None
    assert client.patch(url, json={}).json()["progress"] == 7


def test_an_empty_change_is_no_change(client: TestClient) -> None:
    task = create(client)
    assert client.patch(f"/tasks/{task['id']}", json={}).json() == task
    assert client.patch("/tasks/999", json={}).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "x", "status": "nonsense"}, "status"),
        ({"title": "x", "progress": 101}, "progress"),
        ({"title": "x", "unknown": 1}, "unknown"),
        ({"title": "x", "id": 7}, "id"),
        ({"title": "x", "created_at": "2026-01-01T00:00:00Z"}, "created_at"),
        ({"title": "x", "due": "2026-01-01T00:00:00"}, "due"),
        ({"title": "x", "due": "0001-01-01T00:00:00+14:00"}, "due"),
        ({"title": "x\0y"}, "title"),
        ({"title": "x", "tags": ["x\0y"]}, "tags"),
        ({"title": "x", "owner_id": 2**31}, "owner_id"),
        ({"title": "x", "owner_id": 10**30}, "owner_id"),
        ({"title": None}, "title"),
    ],
)
def test_a_wrong_body_is_a_problem_that_names_the_field(
    client: TestClient, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/tasks", json=body)
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert field in [error.get("field") for error in problem["errors"]]
    assert client.get("/tasks").json() == []


def test_a_datetime_without_an_offset_is_told_so(client: TestClient) -> None:
    answer = client.post("/tasks", json={"title": "x", "due": "2026-01-01T00:00:00"})
    assert "timezone" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b'{"title": NaN}',
        b'{"title": "\\ud800"}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_a_body_that_is_no_row_is_a_problem(client: TestClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = client.post("/tasks", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:colonnade:invalid"


def test_a_body_has_to_be_said_to_be_json(client: TestClient) -> None:
    answer = client.post(
        "/tasks", content=b'{"title": "x"}', headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code == 422
    assert "application/json" in answer.json()["detail"]


def test_a_body_of_ten_megabytes_is_refused(client: TestClient) -> None:
    answer = client.post("/tasks", json={"title": "x", "description": "y" * 10_000_000})
    assert answer.status_code == 413
    assert answer.json()["title"] == "Content Too Large" or answer.json()["status"] == 413


def test_json_nested_too_deep_for_a_database_is_refused(client: TestClient, db: Database) -> None:
    nested = "[" * 200 + "]" * 200
    body = f'{{"title": "x", "tags": {nested}}}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/tasks", content=body, headers=headers).status_code == 422


class TestWhatTheDatabaseRefuses:
    def test_a_value_that_is_taken(self, client: TestClient) -> None:
        assert client.post("/projects", json={"name": "A", "slug": "web"}).status_code == 201
        answer = client.post("/projects", json={"name": "B", "slug": "web"})
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["type"] == "urn:colonnade:unique"
        (error,) = problem["errors"]
        assert (error["field"], error["constraint"]) == ("slug", "uq_project_slug")

    def test_a_value_that_is_taken_on_a_change(self, client: TestClient) -> None:
        client.post("/projects", json={"name": "A", "slug": "a"})
        url = client.post("/projects", json={"name": "B", "slug": "b"}).headers["Location"]
        assert client.patch(url, json={"slug": "a"}).status_code == 409
        assert client.get(url).json()["slug"] == "b"

    @pytest.mark.parametrize("field", ["project_id", "parent_id"])
    def test_a_row_that_is_not_there(self, client: TestClient, field: str) -> None:
        answer = client.post("/tasks", json={"title": "x", field: 99})
        assert answer.status_code == 409
        problem = answer.json()
        assert problem["type"] == "urn:colonnade:foreign_key"
        assert [error["field"] for error in problem["errors"]] == [field]
        task = create(client)
        answer = client.patch(f"/tasks/{task['id']}", json={field: 99})
        assert [error["field"] for error in answer.json()["errors"]] == [field]

    def test_a_row_that_others_refer_to(self, db: Database) -> None:
        from colonnade import Field, Resource, SQLModel
        from tests.resources.world import serving

        class Shelf(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Book(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            shelf_id: int = Field(foreign_key="shelf.id")

        db.create_all()
        with serving(Resource(Shelf, db), Resource(Book, db, prefix="/books")) as client:
            client.post("/shelves", json={})
            client.post("/books", json={"shelf_id": 1})
            answer = client.delete("/shelves/1")
            assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:referenced")
            batch = client.delete("/shelves:batch?key=1")
            assert batch.status_code == 409

    def test_no_answer_shows_sql(self, client: TestClient) -> None:
        answer = client.post("/tasks", json={"title": "x", "project_id": 99})
        assert "INSERT" not in answer.text
        assert "sqlalche" not in answer.text


class TestStatements:
    """One request is one statement: DESIGN, 4.1."""

    @pytest.mark.parametrize(
        ("method", "url", "body"),
        [
            ("GET", "/tasks", None),
            ("GET", "/tasks?count=exact&status=pending&order_by=-title", None),
            ("GET", "/tasks?include=project,assignments.worker,labels,subtasks", None),
            ("GET", '/tasks?project__slug=web&where={"not":{"title":"x"}}', None),
            ("GET", "/tasks/1", None),
            ("GET", "/tasks/1?include=project", None),
            ("GET", "/tasks/1/labels", None),
            ("GET", "/tasks/1/subtasks?depth=all", None),
            ("POST", "/tasks", {"title": "New"}),
            ("POST", "/tasks", {"title": "New", "project_id": 1, "parent_id": 1}),
            ("PATCH", "/tasks/1", {"progress": 5}),
            ("PATCH", "/tasks/1", {"project_id": 1}),
            ("PUT", "/tasks/1/workers/@ana", {"role": "reviewer"}),
            ("DELETE", "/tasks/1/workers/@ana", None),
            ("DELETE", "/tasks/2", None),
        ],
    )
    def test_a_request_is_one_statement(
        self,
        db: Database,
        models: SimpleNamespace,
        client: TestClient,
        store: Any,
        method: str,
        url: str,
        body: Any,
    ) -> None:
        store(models.Project(name="Web", slug="web"), models.Worker(id="@ana"))
        store(models.Task(title="A"), models.Task(title="B"))
        client.put("/tasks/1/workers/@ana")
        with statements(db, client) as seen:
            answer = client.request(method, url, json=body)
        assert answer.status_code < 300, answer.text
        assert len(seen) == 1, seen

    def test_a_conditional_write_of_a_versioned_table_is_one_statement(
        self, db: Database, client: TestClient
    ) -> None:
        created = client.post("/projects", json={"name": "A", "slug": "a"})
        headers = {"If-Match": created.headers["ETag"]}
        with statements(db, client) as seen:
            answer = client.patch("/projects/1", json={"name": "B"}, headers=headers)
        assert (answer.status_code, len(seen)) == (200, 1)
