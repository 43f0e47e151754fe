"""The guide's tables, changed as little as sqlmodel requires.

A ``Literal`` becomes text, and the naive ``datetime.now`` an aware one.
"""

from datetime import UTC, datetime
from typing import Optional

from sqlmodel import Field, Relationship, SQLModel


def now() -> datetime:
    return datetime.now(UTC)


class Project(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(index=True)
    slug: str = Field(unique=True)
    tasks: list["Task"] = Relationship(back_populates="project")


class Worker(SQLModel, table=True):
    id: str = Field(primary_key=True)
    name: str
    type: str


class TaskAssignment(SQLModel, table=True):
    __tablename__ = "task_assignment"
    task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
    worker_id: str | None = Field(default=None, foreign_key="worker.id", primary_key=True)
    role: str = "assignee"
    assigned_at: datetime = Field(default_factory=now)
    worker: Optional["Worker"] = Relationship()


class TaskBase(SQLModel):
    title: str = Field(max_length=200, index=True)
    description: str | None = None
    status: str = "pending"
    priority: str = "medium"
    progress_percent: int = Field(default=0, ge=0, le=100)
    project_id: int | None = Field(default=None, foreign_key="project.id", index=True)


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)
    project: Project | None = Relationship(back_populates="tasks")
    assignments: list[TaskAssignment] = Relationship()


class TaskCreate(TaskBase):
    pass


class TaskUpdate(SQLModel):
    title: str | None = None
    description: str | None = None
    status: str | None = None
    priority: str | None = None
    progress_percent: int | None = Field(default=None, ge=0, le=100)


class TaskRead(TaskBase):
    id: int
    created_at: datetime
    updated_at: datetime


class ProjectRead(SQLModel):
    id: int
    name: str
    slug: str


class WorkerRead(SQLModel):
    id: str
    name: str
    type: str


class AssignmentFlat(SQLModel):
    task_id: int
    worker_id: str
    role: str
    assigned_at: datetime


class AssignmentRead(AssignmentFlat):
    worker: WorkerRead | None


class TaskNested(TaskRead):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class TaskCounted(TaskRead):
    assignments_count: int


class TaskAssigned(TaskRead):
    assignments: list[AssignmentFlat]


class TaskWorked(TaskRead):
    assignments: list[AssignmentRead]


class ProjectTasks(ProjectRead):
    tasks: list[TaskRead]


class ProjectCreate(SQLModel):
    name: str
    slug: str
    tasks: list[TaskCreate]


class TaskChange(TaskUpdate):
    id: int


class TaskChanges(SQLModel):
    update: list[TaskChange]


class ProjectUpdate(SQLModel):
    tasks: TaskChanges


class ProjectAssignments(ProjectRead):
    tasks: list[TaskAssigned]


class ProjectWorkers(ProjectRead):
    tasks: list[TaskWorked]
