"""Includes: relations in the response."""

from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Resource
from tests.resources.sample_app import serving


@pytest.mark.usefixtures("tasks")
def test_relations_are_included_with_each_row(client: TestClient) -> None:
    (task, *_) = client.get("/tasks?include=project,assignments.worker,labels").json()
    assert task["project"]["slug"] == "web"
    assert [row["worker"]["id"] for row in task["assignments"]] == ["@ana", "@bot"]
    assert "token" not in task["assignments"][0]["worker"]
    assert task["labels"][0]["name"] == "urgent"
    assert "subtasks" not in task


@pytest.mark.usefixtures("tasks")
def test_relations_are_included_with_a_single_row(client: TestClient) -> None:
    task = client.get("/tasks/6?include=project,labels&fields=id").json()
    assert task == {"id": 6, "project": None, "labels": []}


def test_the_number_of_related_rows_is_limited(db: Database, models: SimpleNamespace) -> None:
    with serving(Resource(models.Project, db, include=["tasks.assignments"])) as client:
        assert client.get("/projects?include=tasks.assignments").status_code == 200
        assert client.get("/projects?include=tasks&limit=1000").status_code == 200
        response = client.get("/projects?include=tasks.assignments&limit=1000")
        assert response.status_code == 422
        assert "could return 10,101,000 rows" in response.json()["detail"]
        fewer = "/projects?include=tasks:10.assignments:50&limit=1000"
        assert client.get(fewer).status_code == 200
