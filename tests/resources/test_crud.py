"""Rows over HTTP: create, read, update and delete."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import (
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
)
from tests.resources.sample_app import serving, statements


def create_task(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/tasks", json={"title": "A task", **fields})
    assert response.status_code == 201, response.text
    task: dict[str, Any] = response.json()
    return task


def test_a_row_is_created_read_updated_and_deleted(client: TestClient) -> None:
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


def test_an_update_changes_only_the_fields_in_the_body(client: TestClient) -> None:
    task = create_task(client, description="There", progress=7)
    url = f"/tasks/{task['id']}"
    assert client.patch(url, json={"title": "New"}).json()["description"] == "There"
    assert client.patch(url, json={"description": None}).json()["description"] is None
    assert client.patch(url, json={}).json()["progress"] == 7


def test_an_empty_update_changes_nothing(client: TestClient) -> None:
    task = create_task(client)
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
        ({"title": "x", "due": 1767225600}, "due"),
        ({"title": "x", "due": "1767225600"}, "due"),
        ({"title": "x\0y"}, "title"),
        ({"title": "x", "tags": ["x\0y"]}, "tags"),
        ({"title": "x", "owner_id": 2**31}, "owner_id"),
        ({"title": "x", "owner_id": 10**30}, "owner_id"),
        ({"title": None}, "title"),
    ],
)
def test_an_invalid_body_is_a_problem_that_names_the_field(
    client: TestClient, body: dict[str, Any], field: str
) -> None:
    response = client.post("/tasks", json=body)
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == 422
    assert field in [error.get("field") for error in problem["errors"]]
    assert client.get("/tasks").json() == []


def test_the_problem_of_a_naive_datetime_mentions_the_time_zone(client: TestClient) -> None:
    response = client.post("/tasks", json={"title": "x", "due": "2026-01-01T00:00:00"})
    assert "timezone" in response.json()["detail"]


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
def test_a_body_that_is_not_a_row_is_a_problem(client: TestClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post("/tasks", content=content, headers=headers)
    assert response.status_code == 422
    assert response.json()["type"] == "urn:colonnade:invalid"


def test_a_body_with_another_content_type_is_refused(client: TestClient) -> None:
    response = client.post(
        "/tasks", content=b'{"title": "x"}', headers={"Content-Type": "text/plain"}
    )
    assert response.status_code == 422
    assert "application/json" in response.json()["detail"]


def test_a_body_of_ten_megabytes_is_refused(client: TestClient) -> None:
    response = client.post("/tasks", json={"title": "x", "description": "y" * 10_000_000})
    assert response.status_code == 413
    assert response.json()["title"] == "Content Too Large" or response.json()["status"] == 413


def test_json_nested_too_deeply_for_a_database_is_refused(client: TestClient, db: Database) -> None:
    nested = "[" * 200 + "]" * 200
    body = f'{{"title": "x", "tags": {nested}}}'
    headers = {"Content-Type": "application/json"}
    assert client.post("/tasks", content=body, headers=headers).status_code == 422


class TestConstraints:
    def test_a_duplicate_value_is_a_conflict(self, client: TestClient) -> None:
        assert client.post("/projects", json={"name": "A", "slug": "web"}).status_code == 201
        response = client.post("/projects", json={"name": "B", "slug": "web"})
        assert response.status_code == 409
        problem = response.json()
        assert problem["type"] == "urn:colonnade:unique"
        (error,) = problem["errors"]
        assert (error["field"], error["constraint"]) == ("slug", "uq_project_slug")

    def test_an_update_to_a_duplicate_value_is_a_conflict(self, client: TestClient) -> None:
        client.post("/projects", json={"name": "A", "slug": "a"})
        url = client.post("/projects", json={"name": "B", "slug": "b"}).headers["Location"]
        assert client.patch(url, json={"slug": "a"}).status_code == 409
        assert client.get(url).json()["slug"] == "b"

    @pytest.mark.parametrize("field", ["project_id", "parent_id"])
    def test_a_foreign_key_to_a_missing_row_is_a_conflict(
        self, client: TestClient, field: str
    ) -> None:
        response = client.post("/tasks", json={"title": "x", field: 99})
        assert response.status_code == 409
        problem = response.json()
        assert problem["type"] == "urn:colonnade:foreign_key"
        assert [error["field"] for error in problem["errors"]] == [field]
        task = create_task(client)
        response = client.patch(f"/tasks/{task['id']}", json={field: 99})
        assert [error["field"] for error in response.json()["errors"]] == [field]

    def test_a_row_that_others_refer_to_cannot_be_deleted(self, db: Database) -> None:
        class Shelf(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Book(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            shelf_id: int = Field(foreign_key="shelf.id")

        db.create_all()
        with serving(Resource(Shelf, db), Resource(Book, db, prefix="/books")) as client:
            client.post("/shelves", json={})
            client.post("/books", json={"shelf_id": 1})
            response = client.delete("/shelves/1")
            assert (response.status_code, response.json()["type"]) == (
                409,
                "urn:colonnade:referenced",
            )
            batch = client.delete("/shelves:batch?key=1")
            assert batch.status_code == 409

    def test_a_problem_does_not_contain_sql(self, client: TestClient) -> None:
        response = client.post("/tasks", json={"title": "x", "project_id": 99})
        assert "INSERT" not in response.text
        assert "sqlalche" not in response.text


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
            response = client.request(method, url, json=body)
        assert response.status_code < 300, response.text
        assert len(seen) == 1, seen

    def test_a_conditional_write_of_a_versioned_table_is_one_statement(
        self, db: Database, client: TestClient
    ) -> None:
        created = client.post("/projects", json={"name": "A", "slug": "a"})
        headers = {"If-Match": created.headers["ETag"]}
        with statements(db, client) as seen:
            response = client.patch("/projects/1", json={"name": "B"}, headers=headers)
        assert (response.status_code, len(seen)) == (200, 1)


def test_writes_return_the_same_row_as_reads(db: Database) -> None:
    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        money: float | None = None
        data: bytes | None = None
        players: list["Player"] = Relationship(sa_relationship_kwargs={"passive_deletes": "all"})

    class Player(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str = "x"
        team_id: int | None = Field(default=None, foreign_key="team.id")
        team: Team | None = Relationship(back_populates="players")

    class Teammate(SQLModel):
        id: int
        name: str

    class TeamRead(SQLModel):
        id: int
        data: bytes | None
        players: list[Teammate]

    class PlayerRead(SQLModel):
        id: int
        name: str
        team: TeamRead | None

    db.create_all()
    players = Resource(Player, db, read=PlayerRead)
    with serving(Resource(Team, db, read=TeamRead), players) as client:
        created = client.post("/teams", json={})
        assert created.json() == {"id": 1, "data": None, "players": []}
        assert client.get("/teams/1").headers["ETag"] == created.headers["ETag"]
        client.post("/teams", json={})
        for team in (1, 1, 2):
            player = client.post("/players", json={"team_id": team})
            assert player.json() == client.get(player.headers["Location"]).json()
        batch = client.post("/players:batch", json=[{"team_id": 2}, {}]).json()
        assert [len(row["team"]["players"]) if row["team"] else 0 for row in batch] == [2, 0]
        moved = client.patch("/players/1", json={"team_id": 2, "name": "y"})
        assert moved.json() == client.get("/players/1").json()
        renamed = client.patch("/teams/2", json={"money": 1.5})
        assert [row["id"] for row in renamed.json()["players"]] == [1, 3, 4]
