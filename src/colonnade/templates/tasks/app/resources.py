"""The HTTP surface of each table: add your own endpoint to any of them."""

from fastapi import Depends, Response

from app.database import db
from app.models import Label, Project, Task, Worker
from colonnade import STANDARD, Page, Resource, col

workers = Resource(Worker, db, include=["assignments.task"])
labels = Resource(Label, db, include=["tasks"])
tasks: Resource = Resource(
    Task,
    db,
    include=[
        "project",
        "parent",
        "subtasks",
        "subtasks.count",
        "labels",
        "workers",
        "assignments.worker",
    ],
    nested={"subtasks": lambda: tasks, "labels": labels},
    operations=STANDARD | {"aggregate"},
)
projects = Resource(Project, db, include=["tasks", "tasks.count"], nested={"tasks": tasks})


@tasks.action("Complete")
def complete(rows: list[Task]) -> str:
    """Marks tasks as completed."""
    for task in rows:
        task.status = "completed"
        task.progress_percent = 100
    return f"Completed {len(rows)} {'task' if len(rows) == 1 else 'tasks'}."


@tasks.get("/open")
async def open_tasks(query: Page = Depends(tasks.query)) -> Response:
    """Tasks that are not done, with the filters and pages of the list."""
    return await tasks.answer(query.where(col(Task.status).in_(["pending", "in_progress"])))
