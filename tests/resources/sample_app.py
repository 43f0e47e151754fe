"""The sample app: projects, tasks with subtasks, workers, assignments, labels."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Literal, Optional

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event

from colonnade import (
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
    Timestamps,
    Versioned,
)

Status = Literal["pending", "in_progress", "completed"]


def define_models() -> SimpleNamespace:
    """Define the models anew."""

    class Project(Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        slug: str = Field(unique=True)
        owner_id: int | None = Field(default=None, index=True)
        tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

    class TaskLabel(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
        label_id: int = Field(foreign_key="label.id", primary_key=True, ondelete="CASCADE")

    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        owner_id: int | None = None
        tasks: list["Task"] = Relationship(back_populates="labels", link_model=TaskLabel)

    class Assignment(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
        worker_id: str = Field(foreign_key="worker.id", primary_key=True, ondelete="CASCADE")
        role: Literal["assignee", "reviewer"] = "assignee"
        since: datetime = Field(default_factory=lambda: datetime.now(UTC))
        task: Optional["Task"] = Relationship(back_populates="assignments")
        worker: Optional["Worker"] = Relationship(back_populates="assignments")

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True, max_length=60)
        type: Literal["human", "agent"] = "human"
        token: str = Field(default="hidden", secret=True)
        assignments: list[Assignment] = Relationship(back_populates="worker", passive_deletes="all")

    class Task(Timestamps, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(min_length=1, max_length=200)
        description: str | None = None
        status: Status = "pending"
        progress: int = Field(default=0, ge=0, le=100)
        due: datetime | None = None
        tags: list[str] = Field(default_factory=list)
        owner_id: int | None = Field(default=None, index=True)
        project_id: int | None = Field(
            default=None, foreign_key="project.id", index=True, ondelete="SET NULL"
        )
        parent_id: int | None = Field(
            default=None, foreign_key="task.id", index=True, ondelete="CASCADE"
        )
        project: Project | None = Relationship(back_populates="tasks")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent", passive_deletes="all")
        assignments: list[Assignment] = Relationship(back_populates="task", passive_deletes="all")
        labels: list[Label] = Relationship(back_populates="tasks", link_model=TaskLabel)
        workers: list[Worker] = Relationship(
            link_model=Assignment, sa_relationship_kwargs={"viewonly": True}
        )

    return SimpleNamespace(
        Project=Project,
        Task=Task,
        Worker=Worker,
        Assignment=Assignment,
        Label=Label,
        TaskLabel=TaskLabel,
    )


INCLUDE = ["project", "subtasks", "assignments.worker", "labels", "workers"]


def all_resources(db: Database, models: SimpleNamespace, **options: Any) -> list[Resource]:
    """Create a Resource for each table."""
    return [
        Resource(models.Task, db, include=INCLUDE, **options),
        Resource(models.Project, db, include=["tasks"]),
        Resource(models.Worker, db, include=["assignments.task"]),
        Resource(models.Label, db, include=["tasks"]),
    ]


@contextmanager
def serving(*resources: Resource) -> Iterator[TestClient]:
    """Serve Resources in an app, and provide its client."""
    app = FastAPI()
    for resource in resources:
        app.include_router(resource)
    with TestClient(app, raise_server_exceptions=True) as client:
        yield client


@contextmanager
def statements(db: Database, client: TestClient) -> Iterator[list[str]]:
    """Provide the list of statements that the app executes inside the block."""
    seen: list[str] = []
    engines = [db.engine, *(loop.engine.sync_engine for loop in db._engines._loops.values())]

    def record(*arguments: Any) -> None:
        seen.append(arguments[2])

    for engine in engines:
        event.listen(engine, "before_cursor_execute", record)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", record)
