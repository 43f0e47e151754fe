"""The tables."""

from datetime import UTC, datetime
from typing import Literal, Optional

from colonnade import Field, Relationship, SQLModel, Timestamps

Status = Literal["pending", "in_progress", "completed", "cancelled"]
Priority = Literal["low", "medium", "high"]
WorkerType = Literal["human", "agent"]
Role = Literal["assignee", "reviewer", "observer"]


class ProjectBase(SQLModel):
    name: str = Field(min_length=1, max_length=200, index=True, examples=["Annual report"])
    slug: str = Field(
        max_length=80, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", unique=True, examples=["annual-report"]
    )
    description: str | None = None


class Project(ProjectBase, Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)

    tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")


class TaskLabel(SQLModel, table=True):
    """Links a task to a label."""

    task_id: int | None = Field(
        default=None, foreign_key="task.id", primary_key=True, ondelete="CASCADE"
    )
    label_id: int | None = Field(
        default=None, foreign_key="label.id", primary_key=True, index=True, ondelete="CASCADE"
    )


class Label(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=40, unique=True, examples=["waiting for review"])

    tasks: list["Task"] = Relationship(back_populates="labels", link_model=TaskLabel)


class TaskAssignment(SQLModel, table=True):
    """A link with its own fields: who does what on a task, since when."""

    task_id: int | None = Field(
        default=None, foreign_key="task.id", primary_key=True, ondelete="CASCADE"
    )
    worker_id: str | None = Field(
        default=None, foreign_key="worker.id", primary_key=True, index=True, ondelete="CASCADE"
    )
    role: Role = "assignee"
    assigned_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    task: Optional["Task"] = Relationship(back_populates="assignments")
    worker: Optional["Worker"] = Relationship(back_populates="assignments")


class Worker(SQLModel, table=True):
    """A person, or an agent such as ``@claude-code``."""

    id: str = Field(
        primary_key=True,
        max_length=60,
        pattern=r"^@[a-z0-9]+(-[a-z0-9]+)*$",
        examples=["@grace"],
    )
    name: str = Field(min_length=1, max_length=200, examples=["Grace Okoye"])
    type: WorkerType

    assignments: list[TaskAssignment] = Relationship(back_populates="worker", passive_deletes="all")


class TaskBase(SQLModel):
    title: str = Field(min_length=1, max_length=200, index=True, examples=["Write the summary"])
    description: str | None = None
    status: Status = Field(default="pending", index=True)
    priority: Priority = "medium"
    progress_percent: int = Field(default=0, ge=0, le=100)
    project_id: int | None = Field(
        default=None, foreign_key="project.id", index=True, ondelete="CASCADE"
    )
    parent_id: int | None = Field(
        default=None, foreign_key="task.id", index=True, ondelete="CASCADE"
    )


class Task(TaskBase, Timestamps, table=True):
    id: int | None = Field(default=None, primary_key=True)

    project: Project | None = Relationship(back_populates="tasks")
    parent: Optional["Task"] = Relationship(
        back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
    )
    subtasks: list["Task"] = Relationship(back_populates="parent", passive_deletes="all")
    assignments: list[TaskAssignment] = Relationship(back_populates="task", passive_deletes="all")
    labels: list[Label] = Relationship(back_populates="tasks", link_model=TaskLabel)
    workers: list[Worker] = Relationship(
        link_model=TaskAssignment, sa_relationship_kwargs={"viewonly": True}
    )
