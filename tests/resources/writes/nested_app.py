"""The sample app with nested writes, and what its tests share."""

from types import SimpleNamespace
from typing import Any

from fastapi.testclient import TestClient

from colonnade import Database, Resource

JSON = {"Content-Type": "application/json"}

Refusal = tuple[int, list[str | int]]
"""The status and the location of an error."""


def nested_resources(db: Database, models: SimpleNamespace, **options: Any) -> SimpleNamespace:
    """Create a Resource for each table; all relations can be written."""
    found = SimpleNamespace()
    found.workers = Resource(
        models.Worker, db, nested={"assignments": lambda: found.assignments}, **options
    )
    found.labels = Resource(models.Label, db, nested={"tasks": lambda: found.tasks}, **options)
    found.assignments = Resource(
        models.Assignment,
        db,
        nested={"worker": lambda: found.workers, "task": lambda: found.tasks},
        **options,
    )
    found.projects = Resource(models.Project, db, nested={"tasks": lambda: found.tasks}, **options)
    found.tasks = Resource(
        models.Task,
        db,
        nested={
            "project": lambda: found.projects,
            "parent": lambda: found.tasks,
            "subtasks": lambda: found.tasks,
            "assignments": lambda: found.assignments,
            "labels": lambda: found.labels,
            "workers": lambda: found.workers,
        },
        **options,
    )
    return found


def refusal(response: Any) -> Refusal:
    """Return the status and the location of the first error of a response."""
    assert response.status_code >= 400, response.text
    problem = response.json()
    assert "errors" in problem, problem
    return response.status_code, problem["errors"][0]["loc"]


def everything(client: TestClient, *paths: str) -> dict[str, Any]:
    """Return all rows of Resources, to compare before and after a refused request."""
    return {path: client.get(path).json() for path in paths}
