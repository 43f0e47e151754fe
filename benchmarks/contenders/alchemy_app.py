"""Advanced Alchemy: its repository in FastAPI endpoints, with its FastAPI extension."""

import os
from typing import Annotated, Any

from advanced_alchemy.exceptions import NotFoundError
from advanced_alchemy.extensions.fastapi import (
    AdvancedAlchemy,
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
)
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from benchmarks.contenders.alchemy_tables import Task, TaskAssignment
from benchmarks.contenders.tables import TaskCreate, TaskNested, TaskRead, TaskUpdate


class Tasks(SQLAlchemyAsyncRepository[Task]):
    model_type = Task


url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
config = SQLAlchemyAsyncConfig(
    connection_string=url.replace("sqlite://", "sqlite+aiosqlite://"),
    engine_config=EngineConfig(pool_size=10, max_overflow=0),
    session_config=AsyncSessionConfig(expire_on_commit=False),
    commit_mode="manual",
)
app = FastAPI()
alchemy = AdvancedAlchemy(config=config, app=app)


def get_tasks(
    session: Annotated[AsyncSession, Depends(alchemy.provide_session())],
) -> Tasks:
    return Tasks(session=session)


Given = Annotated[Tasks, Depends(get_tasks)]


@app.post("/tasks", response_model=TaskRead, status_code=201)
async def create_task(task: TaskCreate, tasks: Given) -> Any:
    return await tasks.add(Task(**task.model_dump()), auto_commit=True)


@app.post("/tasks:batch", response_model=list[TaskRead], status_code=201)
async def create_tasks(body: list[TaskCreate], tasks: Given) -> Any:
    return await tasks.add_many([Task(**task.model_dump()) for task in body], auto_commit=True)


@app.get("/tasks", response_model=list[TaskRead])
async def list_tasks(tasks: Given, offset: int = 0, limit: int = 100) -> Any:
    return await tasks.list(LimitOffset(limit, offset), OrderBy("id"))


@app.get("/tasks/nested", response_model=list[TaskNested])
async def list_nested(tasks: Given, limit: int = 100) -> Any:
    load = [
        selectinload(Task.project),
        selectinload(Task.assignments).selectinload(TaskAssignment.worker),
    ]
    return await tasks.list(LimitOffset(limit, 0), OrderBy("id"), load=load)


@app.get("/tasks/filtered", response_model=list[TaskRead])
async def list_filtered(status: str, tasks: Given, limit: int = 20) -> Any:
    order = [OrderBy("created_at", "desc"), OrderBy("id", "desc")]
    return await tasks.list(Task.status == status, *order, LimitOffset(limit, 0))


@app.get("/tasks/{task_id}", response_model=TaskRead)
async def get_task(task_id: int, tasks: Given) -> Any:
    try:
        return await tasks.get(task_id)
    except NotFoundError:
        raise HTTPException(404, "Task not found") from None


@app.patch("/tasks/{task_id}", response_model=TaskRead)
async def update_task(task_id: int, change: TaskUpdate, tasks: Given) -> Any:
    try:
        row = Task(id=task_id, **change.model_dump(exclude_unset=True))
        return await tasks.update(row, auto_commit=True)
    except NotFoundError:
        raise HTTPException(404, "Task not found") from None


@app.delete("/tasks/{task_id}")
async def delete_task(task_id: int, tasks: Given) -> dict[str, bool]:
    try:
        await tasks.delete(task_id, auto_commit=True)
    except NotFoundError:
        raise HTTPException(404, "Task not found") from None
    return {"ok": True}
