"""Tables with relations of every kind."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Optional
from uuid import UUID, uuid4

from pydantic import (
    BaseModel,
    field_validator,
    model_validator,
)

from colonnade import (
    Field,
    Relationship,
    SQLModel,
    Timestamps,
    Versioned,
)


class Settings(BaseModel):
    theme: str = "plain"


def tables() -> Any:
    """Define the models: Task, Project, Worker, Assignment and TaskLabel."""

    class TaskLabel(SQLModel, table=True):
        task_id: int | None = Field(default=None, foreign_key="task.id", primary_key=True)
        label_id: int | None = Field(default=None, foreign_key="label.id", primary_key=True)

    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tasks: list["Task"] = Relationship(back_populates="labels", link_model=TaskLabel)

    class Assignment(SQLModel, table=True):
        task_id: int | None = Field(
            default=None, foreign_key="task.id", primary_key=True, ondelete="CASCADE"
        )
        worker_id: str | None = Field(default=None, foreign_key="worker.id", primary_key=True)
        role: str = "assignee"
        task: Optional["Task"] = Relationship(back_populates="assignments")
        worker: Optional["Worker"] = Relationship(back_populates="assignments")

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True)
        assignments: list[Assignment] = Relationship(back_populates="worker")
        tasks: list["Task"] = Relationship(
            link_model=Assignment, sa_relationship_kwargs={"viewonly": True}
        )

    class Project(SQLModel, table=True):
        id: UUID = Field(default_factory=uuid4, primary_key=True)
        slug: str = Field(unique=True)
        tasks: list["Task"] = Relationship(back_populates="project")

    class TaskBase(SQLModel):
        title: str = Field(max_length=200, index=True, description="What to do")
        status: Literal["pending", "done"] = "pending"
        percent: int = Field(default=0, ge=0, le=100)

        @field_validator("title")
        @classmethod
        def strip(cls, value: str) -> str:
            return cls.clean(value)

        @classmethod
        def clean(cls, value: str) -> str:
            return value.strip()

        @model_validator(mode="after")
        def done_means_all(self) -> "TaskBase":
            if self.status == "done" and self.percent < 100:
                raise ValueError("done at less than 100 percent")
            return self

    class Task(TaskBase, Timestamps, Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        due: datetime | None = None
        cost: Decimal | None = Field(default=None, max_digits=8, decimal_places=2)
        weight: float = 1.0
        settings: Settings = Field(default_factory=Settings)
        token: str = Field(default="", secret=True)
        slug: str = Field(default="s", frozen=True)
        score: int = Field(default=0, readonly=True)
        source: str | None = Field(
            default=None, nullable=False, sa_column_kwargs={"server_default": "web"}
        )
        project_id: UUID | None = Field(default=None, foreign_key="project.id")
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        project: Project | None = Relationship(back_populates="tasks")
        labels: list[Label] = Relationship(back_populates="tasks", link_model=TaskLabel)
        assignments: list[Assignment] = Relationship(back_populates="task")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent")

    return Task, Project, Worker, Assignment, TaskLabel
