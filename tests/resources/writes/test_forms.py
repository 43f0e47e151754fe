"""The forms that a relation of a new row may have in a body."""

from typing import Any, Optional

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, SQLModel


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/projects", {"tasks": {}},
         "tasks must be an array of objects, or an object with create, connect"),
        ("/tasks", {"project": {"create": {}, "connect": 1}},
         "project is one row, so create and connect cannot be combined"),
    ],
)  # fmt: skip
def test_a_new_row_says_what_becomes_of_its_relation(
    db: Database, path: str, body: dict[str, Any], message: str
) -> None:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tasks: list["Task"] = Relationship(back_populates="project")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")
        project: Optional[Project] = Relationship(back_populates="tasks")

    db.create_all()
    projects = Resource(Project, db, nested={"tasks": lambda: tasks})
    tasks = Resource(Task, db, nested={"project": projects})
    app = FastAPI()
    app.include_router(projects)
    app.include_router(tasks)
    with TestClient(app) as client:
        response = client.post(path, json=body)
        assert response.status_code == 422
        assert response.json()["errors"][0]["message"] == message
        assert client.get(path).json() == []


def test_an_upsert_that_would_change_a_frozen_foreign_key_is_not_valid(db: Database) -> None:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id", frozen=True)
        project: Optional[Project] = Relationship()

    db.create_all()
    projects = Resource(Project, db)
    app = FastAPI()
    app.include_router(Resource(Task, db, nested={"project": projects}))
    app.include_router(projects)
    with TestClient(app) as client:
        client.post("/tasks", json={})
        problem = client.patch("/tasks/1", json={"project": {"upsert": {}}}).json()
        assert (problem["status"], problem["type"]) == (422, "urn:colonnade:invalid")
        (error,) = problem["errors"]
        assert error["loc"] == ["body", "project"]
        assert error["message"] == "project_id of Task cannot be changed"
        assert client.get("/projects").json() == []
