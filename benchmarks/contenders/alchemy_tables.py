"""The tables for Advanced Alchemy, on its base class and with its datetimes."""

from datetime import UTC, datetime

from advanced_alchemy.base import DefaultBase
from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship


def now() -> datetime:
    return datetime.now(UTC)


class Project(DefaultBase):
    __tablename__ = "project"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str]


class Worker(DefaultBase):
    __tablename__ = "worker"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    type: Mapped[str]


class TaskAssignment(DefaultBase):
    __tablename__ = "task_assignment"
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"), primary_key=True)
    worker_id: Mapped[str] = mapped_column(ForeignKey("worker.id"), primary_key=True)
    role: Mapped[str] = mapped_column(default="assignee")
    assigned_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True), default=now)
    worker: Mapped[Worker] = relationship()


class Task(DefaultBase):
    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="pending")
    priority: Mapped[str] = mapped_column(default="medium")
    progress_percent: Mapped[int] = mapped_column(default=0)
    project_id: Mapped[int | None] = mapped_column(ForeignKey("project.id"))
    created_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True), default=now)
    updated_at: Mapped[datetime] = mapped_column(
        DateTimeUTC(timezone=True), default=now, onupdate=now
    )
    project: Mapped[Project | None] = relationship()
    assignments: Mapped[list[TaskAssignment]] = relationship(passive_deletes="all")
