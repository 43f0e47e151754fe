"""The app of the state machine: projects, their tasks in a tree, labels, and workers.

A tenant, which is a header, has projects and tasks. Labels and workers belong to nobody.
"""

from types import SimpleNamespace
from typing import Annotated, Any, Literal, Optional

from fastapi import Header

from colonnade import Database, Field, Relationship, Resource, SQLModel, Versioned
from colonnade.resources import OPERATIONS


def define_tables() -> SimpleNamespace:
    """Define the models anew."""

    class Project(Versioned, table=True):
        id: str = Field(primary_key=True)
        slug: str | None = Field(default=None, unique=True)
        title: str = Field(default="", max_length=4)
        tenant: str
        tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

    class TaskLabel(SQLModel, table=True):
        task_id: str = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
        label_id: str = Field(foreign_key="label.id", primary_key=True, ondelete="CASCADE")

    class Label(SQLModel, table=True):
        id: str = Field(primary_key=True)
        title: str = Field(default="", max_length=4)

    class Worker(SQLModel, table=True):
        id: str = Field(primary_key=True)
        title: str = Field(default="", max_length=4)

    class Assignment(SQLModel, table=True):
        task_id: str = Field(foreign_key="task.id", primary_key=True, ondelete="CASCADE")
        worker_id: str = Field(foreign_key="worker.id", primary_key=True)
        role: Literal["assignee", "reviewer"] = "assignee"
        task: Optional["Task"] = Relationship(back_populates="assignments")

    class Task(Versioned, table=True):
        id: str = Field(primary_key=True)
        slug: str | None = Field(default=None, unique=True)
        title: str = Field(default="", max_length=4)
        tenant: str
        project_id: str | None = Field(
            default=None, foreign_key="project.id", index=True, ondelete="SET NULL"
        )
        parent_id: str | None = Field(
            default=None, foreign_key="task.id", index=True, ondelete="CASCADE"
        )
        project: Project | None = Relationship(back_populates="tasks")
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent", passive_deletes="all")
        assignments: list[Assignment] = Relationship(back_populates="task", passive_deletes="all")
        labels: list[Label] = Relationship(link_model=TaskLabel)
        workers: list[Worker] = Relationship(
            link_model=Assignment, sa_relationship_kwargs={"viewonly": True}
        )

    return SimpleNamespace(
        project=Project,
        label=Label,
        worker=Worker,
        task=Task,
        task_label=TaskLabel,
        assignment=Assignment,
    )


def of_tenant(tenant: Annotated[str, Header()]) -> dict[str, str]:
    """The scope of projects and tasks."""
    return {"tenant": tenant}


def state_resources(db: Database, models: SimpleNamespace) -> list[Resource]:
    """Create a Resource for each table."""
    options: dict[str, Any] = {"operations": OPERATIONS}
    labels = Resource(models.label, db, **options)
    workers = Resource(models.worker, db, **options)
    assignments = Resource(models.assignment, db, **options)
    tasks: Resource = Resource(
        models.task,
        db,
        include=["labels", "workers"],
        nested={"subtasks": lambda: tasks, "labels": labels, "assignments": assignments},
        scope=of_tenant,
        **options,
    )
    projects = Resource(
        models.project, db, include=["tasks"], nested={"tasks": tasks}, scope=of_tenant, **options
    )
    return [projects, tasks, labels, workers, assignments]
