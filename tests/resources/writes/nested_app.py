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
    resources = SimpleNamespace()
    resources.workers = Resource(
        models.Worker, db, nested={"assignments": lambda: resources.assignments}, **options
    )
    resources.labels = Resource(
        models.Label, db, nested={"tasks": lambda: resources.tasks}, **options
    )
    resources.assignments = Resource(
        models.Assignment,
        db,
        nested={"worker": lambda: resources.workers, "task": lambda: resources.tasks},
        **options,
    )
    resources.projects = Resource(
        models.Project, db, nested={"tasks": lambda: resources.tasks}, **options
    )
    resources.tasks = Resource(
        models.Task,
        db,
        nested={
            "project": lambda: resources.projects,
            "parent": lambda: resources.tasks,
            "subtasks": lambda: resources.tasks,
            "assignments": lambda: resources.assignments,
            "labels": lambda: resources.labels,
            "workers": lambda: resources.workers,
        },
        **options,
    )
    return resources


def refusal(response: Any) -> Refusal:
    """Return the status and the location of the first error of a response."""
    assert response.status_code >= 400, response.text
    problem = response.json()
    assert "errors" in problem, problem
    return response.status_code, problem["errors"][0]["loc"]


def everything(client: TestClient, *paths: str) -> dict[str, Any]:
    """Return all rows of Resources, to compare before and after a refused request."""
    return {path: client.get(path).json() for path in paths}
