"""Tests of the task endpoints. The fixtures come from Colonnade's pytest plugin."""

from datetime import UTC, datetime
from typing import Any

import pytest
from app import sample
from app.models import Project, Task, TaskAssignment
from fastapi.testclient import TestClient
from httpx2 import AsyncClient

from colonnade import AsyncSession, Database, Session
from colonnade.testing import counts, frozen, make


def create(client: TestClient, **fields: Any) -> dict[str, Any]:
    response = client.post("/tasks", json={"title": "Test", **fields})
    assert response.status_code == 201
    task: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/tasks/{task['id']}"
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


def test_a_patch_sets_null_and_leaves_absent_fields(client: TestClient) -> None:
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
def test_an_invalid_body_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/tasks", json=body).status_code == 422


def test_a_missing_project_is_a_conflict(client: TestClient) -> None:
    assert client.post("/tasks", json={"title": "x", "project_id": 9}).status_code == 409


def test_subtasks_are_deleted_with_their_parent_and_cycles_are_refused(client: TestClient) -> None:
    parent = create(client)
    child = create(client, parent_id=parent["id"])
    assert client.get(f"/tasks/{parent['id']}/subtasks").json() == [child]
    cycle = client.patch(f"/tasks/{parent['id']}", json={"parent_id": child["id"]})
    assert cycle.status_code == 409
    client.delete(f"/tasks/{parent['id']}")
    assert client.get("/tasks").json() == []


def test_a_project_is_created_with_its_tasks(client: TestClient) -> None:
    tasks = [{"title": "Plan", "labels": [{"name": "urgent"}]}, {"title": "Write"}]
    body = {"name": "Report", "slug": "report", "tasks": tasks}
    project = client.post("/projects", json=body).json()
    assert [task["title"] for task in project["tasks"]] == ["Plan", "Write"]
    plan, write = project["tasks"]
    assert plan["labels"][0]["name"] == "urgent"

    changes = {"delete": [write["id"]], "update": [{"id": plan["id"], "status": "completed"}]}
    response = client.patch(f"/projects/{project['id']}", json={"tasks": changes})
    assert response.status_code == 200
    (task,) = client.get(f"/projects/{project['id']}/tasks").json()
    assert (task["title"], task["status"]) == ("Plan", "completed")


def test_a_patch_changes_the_given_fields(client: TestClient, session: Session) -> None:
    task = make(Task, priority="low")
    session.add(task)
    session.commit()
    assert client.patch(f"/tasks/{task.id}", json={"priority": "high"}).status_code == 200
    assert task.priority == "high"


def test_open_tasks_with_their_workers_are_one_statement(
    client: TestClient, session: Session, database: Database
) -> None:
    session.add_all(make(TaskAssignment, task=make(Task, status="pending")) for _ in range(3))
    session.add(make(Task, status="completed"))
    session.commit()
    with counts(database, at_most=1):
        tasks = client.get("/tasks/open", params={"include": "assignments.worker"}).json()
    assert [task["assignments"][0]["worker"]["id"][0] for task in tasks] == ["@"] * 3


async def test_tasks_are_ordered_by_creation_time(
    async_client: AsyncClient, async_session: AsyncSession
) -> None:
    with frozen(datetime(2026, 1, 1, tzinfo=UTC)) as clock:
        for title in ("Older", "Newer"):
            async_session.add(make(Task, title=title))
            await async_session.commit()
            clock.tick(60)
    response = await async_client.get("/tasks", params={"order_by": "-created_at"})
    assert [task["title"] for task in response.json()] == ["Newer", "Older"]


def test_the_page_of_totals_is_one_aggregate(
    client: TestClient, session: Session, database: Database
) -> None:
    web = make(Project, name="Web & <shop>")
    session.add_all(make(Task, project=web, status="pending", priority="low") for _ in range(2))
    session.add(make(Task, project=web, status="completed", priority="high"))
    session.commit()
    with counts(database, at_most=1):
        page = client.get("/totals")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "<td>Web &amp; &lt;shop&gt;<td" in page.text
    assert 'title="2 pending"' in page.text
    assert 'title="2 pending"' not in client.get("/totals?priority=high").text


def test_the_sample_has_tasks_projects_and_workers(client: TestClient) -> None:
    assert 200 <= sample.fill() == sample.fill() <= 500
    assert len(client.get("/projects").json()) == 5
    agents = client.get("/workers", params={"type": "agent"}).json()
    assert "@claude-code" in [worker["id"] for worker in agents]
    assert client.get("/workers/@claude-code").json()["name"] == "Claude Code"
    assert client.get("/workers/@claude-code/assignments").json()[0]["role"]
    done = client.get("/tasks", params={"status": "completed", "limit": 100}).json()
    assert {task["progress_percent"] for task in done} == {100}
