"""Litestar and Advanced Alchemy: its service on an AsyncSession, with msgspec for the JSON."""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from advanced_alchemy.exceptions import NotFoundError
from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
)
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from litestar import Litestar, delete, get, patch, post
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.params import Parameter
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from benchmarks.contenders.alchemy_tables import Task, TaskAssignment

Status = Literal["pending", "in_progress", "completed"]
Priority = Literal["low", "medium", "high"]
Title = Annotated[str, Meta(max_length=200)]
Percent = Annotated[int, Meta(ge=0, le=100)]


class TaskCreate(Struct, forbid_unknown_fields=True):
    title: Title
    description: str | None = None
    status: Status = "pending"
    priority: Priority = "medium"
    progress_percent: Percent = 0
    project_id: int | None = None


class TaskUpdate(Struct, forbid_unknown_fields=True, omit_defaults=True):
    title: Title | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    progress_percent: Percent | UnsetType = UNSET
    project_id: int | UnsetType | None = UNSET


class TaskRead(Struct):
    id: int
    title: str
    description: str | None
    status: str
    priority: str
    progress_percent: int
    project_id: int | None
    created_at: datetime
    updated_at: datetime


class ProjectRead(Struct):
    id: int
    name: str
    slug: str


class WorkerRead(Struct):
    id: str
    name: str
    type: str


class AssignmentRead(Struct):
    task_id: int
    worker_id: str
    role: str
    assigned_at: datetime
    worker: WorkerRead


class TaskNested(TaskRead):
    project: ProjectRead | None
    assignments: list[AssignmentRead]


class Tasks(SQLAlchemyAsyncRepositoryService[Task]):
    class Repository(SQLAlchemyAsyncRepository[Task]):
        model_type = Task

    repository_type = Repository


async def provide_tasks(db_session: AsyncSession) -> AsyncIterator[Tasks]:
    async with Tasks.new(session=db_session) as service:
        yield service


def read(row: Task) -> TaskRead:
    return msgspec.convert(row, TaskRead, from_attributes=True)


def read_all(rows: Any) -> list[TaskRead]:
    return msgspec.convert(rows, list[TaskRead], from_attributes=True)


Limit = Annotated[int, Parameter(ge=1, le=1000)]
Offset = Annotated[int, Parameter(ge=0)]


@get("/tasks")
async def list_tasks(tasks: Tasks, limit: Limit = 100, offset: Offset = 0) -> list[TaskRead]:
    return read_all(await tasks.list(LimitOffset(limit, offset), OrderBy("id")))


@get("/tasks/nested")
async def list_nested(tasks: Tasks, limit: Limit = 100) -> list[TaskNested]:
    load = [
        selectinload(Task.project),
        selectinload(Task.assignments).selectinload(TaskAssignment.worker),
    ]
    rows = await tasks.list(LimitOffset(limit, 0), OrderBy("id"), load=load)
    return msgspec.convert(rows, list[TaskNested], from_attributes=True)


@get("/tasks/filtered")
async def list_filtered(tasks: Tasks, status: Status, limit: Limit = 20) -> list[TaskRead]:
    order = [OrderBy("created_at", "desc"), OrderBy("id", "desc")]
    return read_all(await tasks.list(Task.status == status, *order, LimitOffset(limit, 0)))


@get("/tasks/{task_id:int}")
async def get_task(tasks: Tasks, task_id: int) -> TaskRead:
    try:
        return read(await tasks.get(task_id))
    except NotFoundError:
        raise NotFoundException("Task not found") from None


@post("/tasks")
async def create_task(tasks: Tasks, data: TaskCreate) -> TaskRead:
    return read(await tasks.create(Task(**msgspec.structs.asdict(data)), auto_refresh=False))


@post("/tasks:batch")
async def create_tasks(tasks: Tasks, data: list[TaskCreate]) -> list[TaskRead]:
    rows = [Task(**msgspec.structs.asdict(item)) for item in data]
    return read_all(await tasks.create_many(rows))


@patch("/tasks/{task_id:int}")
async def update_task(tasks: Tasks, task_id: int, data: TaskUpdate) -> TaskRead:
    try:
        row = Task(id=task_id, **msgspec.to_builtins(data))
        return read(await tasks.repository.update(row, auto_refresh=False))
    except NotFoundError:
        raise NotFoundException("Task not found") from None


@delete("/tasks/{task_id:int}", status_code=200)
async def delete_task(tasks: Tasks, task_id: int) -> dict[str, bool]:
    try:
        await tasks.delete(task_id)
    except NotFoundError:
        raise NotFoundException("Task not found") from None
    return {"ok": True}


url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
config = SQLAlchemyAsyncConfig(
    connection_string=url.replace("sqlite://", "sqlite+aiosqlite://"),
    engine_config=EngineConfig(pool_size=10, max_overflow=0),
    session_config=AsyncSessionConfig(expire_on_commit=False),
    create_all=False,
    before_send_handler="autocommit",
)
app = Litestar(
    route_handlers=[
        list_tasks, list_nested, list_filtered, get_task, create_task, create_tasks, update_task,
        delete_task,
    ],
    dependencies={"tasks": Provide(provide_tasks)},
    plugins=[SQLAlchemyPlugin(config=config)],
    openapi_config=None,
    logging_config=None,
)  # fmt: skip
