"""A row in a relation belongs to the row around it, and cannot name another one."""

from typing import Any, Optional

from fastapi import FastAPI
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, SQLModel


def test_a_nested_row_cannot_nest_the_row_that_it_belongs_to(db: Database) -> None:
    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
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
    other: dict[str, Any] = {"project": {"name": "Other"}}
    with TestClient(app) as client:
        response = client.post("/projects", json={"name": "Web", "tasks": [other]})
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert error["loc"] == ["body", "tasks", 0, "project"]
        assert error["message"] == (
            "The relation around this row sets project_id: leave project out of it"
        )
        assert client.get("/projects").json() == []

        assert client.post("/projects", json={"name": "Web"}).status_code == 201
        assert client.post("/projects/1/tasks", json=other).status_code == 422
        assert client.get("/tasks").json() == []
