"""Colonnade: a Resource for each table."""

from datetime import datetime
from typing import Literal, Optional

from fastapi import FastAPI

from colonnade import STANDARD, Database, Field, Relationship, Resource, SQLModel, Timestamps


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    slug: str = Field(unique=True)
    tasks: list["Task"] = Relationship(back_populates="project")


class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    type: Literal["human", "agent"]


class TaskAssignment(SQLModel, table=True):
    __tablename__ = "task_assignment"
    task_id: int = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
    worker_id: str = Field(foreign_key="worker.id", primary_key=True, ondelete="CASCADE")
    role: str = "assignee"
    assigned_at: datetime
    worker: Optional["Worker"] = Relationship()


class Task(Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = Field(max_length=200, index=True)
    description: str | None = None
    status: Literal["pending", "in_progress", "completed"] = Field(default="pending", index=True)
    priority: Literal["low", "medium", "high"] = "medium"
    progress_percent: int = Field(default=0, ge=0, le=100)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list[TaskAssignment] = Relationship(
        sa_relationship_kwargs={"passive_deletes": "all"}
    )


db = Database(freeze_gc=True, max_overflow=0)
app = FastAPI(lifespan=db.lifespan)
tasks = Resource(
    Task,
    db,
    include=["project", "assignments.worker", "assignments.count"],
    operations=STANDARD | {"aggregate"},
)
projects = Resource(
    Project,
    db,
    include=["tasks.assignments.worker"],
    nested={"tasks": tasks},
    operations={"list", "create", "update"},
)
app.include_router(tasks)
app.include_router(projects)
