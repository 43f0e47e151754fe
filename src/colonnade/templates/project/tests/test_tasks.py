"""What the task endpoints answer."""

from typing import Any

import pytest
from app import sample
from fastapi.testclient import TestClient


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    answer = client.post("/tasks", json={"title": "Test", **fields})
    assert answer.status_code == 201
    task: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/tasks/{task['id']}"
    return task


def test_a_task_is_created_listed_read_patched_and_deleted(client: TestClient) -> None:
    task = create(client, priority="low")
    assert task["status"] == "pending"
    assert task["created_at"].endswith("Z")
    assert client.get("/tasks").json() == [task]
    assert client.get(f"/tasks/{task['id']}").json() == task
    patched = client.patch(f"/tasks/{task['id']}", json={"priority": "high"}).json()
    assert (patched["title"], patched["priority"]) == ("Test", "high")
    assert patched["updated_at"] > task["updated_at"]
    assert client.delete(f"/tasks/{task['id']}").json() == {"ok": True}
    assert client.get(f"/tasks/{task['id']}").status_code == 404


def test_null_is_null_and_absent_is_left(client: TestClient) -> None:
    task = create(client, description="There")
    url = f"/tasks/{task['id']}"
    assert client.patch(url, json={"progress_percent": 5}).json()["description"] == "There"
    assert client.patch(url, json={"description": None}).json()["description"] is None
    assert client.patch(url, json={"title": None}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": "x" * 201},
        {"title": "x", "status": "nonsense"},
        {"title": "x", "progress_percent": 101},
    ],
)
def test_a_body_that_is_wrong_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/tasks", json=body).status_code == 422


def test_a_project_that_is_not_there_is_a_conflict(client: TestClient) -> None:
    assert client.post("/tasks", json={"title": "x", "project_id": 9}).status_code == 409


def test_subtasks_go_with_their_parent_and_no_task_is_its_own_ancestor(client: TestClient) -> None:
    parent = create(client)
    child = create(client, parent_id=parent["id"])
    assert client.get(f"/tasks/{parent['id']}/subtasks").json() == [child]
    cycle = client.patch(f"/tasks/{parent['id']}", json={"parent_id": child["id"]})
    assert cycle.status_code == 409
    client.delete(f"/tasks/{parent['id']}")
    assert client.get("/tasks").json() == []


def test_the_sample_is_believable(client: TestClient) -> None:
    assert 200 <= sample.fill() == sample.fill() <= 500
    assert len(client.get("/projects").json()) == 5
    agents = client.get("/workers", params={"type": "agent"}).json()
    assert "@claude-code" in [worker["id"] for worker in agents]
    assert client.get("/workers/@claude-code").json()["name"] == "Claude Code"
    assert client.get("/workers/@claude-code/assignments").json()[0]["role"]
    done = client.get("/tasks", params={"status": "completed", "limit": 100}).json()
    assert {task["progress_percent"] for task in done} == {100}
