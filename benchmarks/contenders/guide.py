"""The hand-written endpoints of a SQLModel guide: AsyncSession and ``response_model``."""

import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import Date, Float, cast, func
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import selectinload
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.contenders.tables import (
    Project,
    ProjectAssignments,
    ProjectCreate,
    ProjectRead,
    ProjectTasks,
    ProjectUpdate,
    ProjectWorkers,
    Task,
    TaskAssignment,
    TaskCounted,
    TaskCreate,
    TaskNested,
    TaskRead,
    TaskUpdate,
)

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(
    url.replace("sqlite://", "sqlite+aiosqlite://"), pool_size=10, max_overflow=0
)
app = FastAPI()


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


@app.post("/tasks", response_model=TaskRead, status_code=201)
async def create_task(task: TaskCreate, session: AsyncSession = Depends(get_session)):
    row = Task.model_validate(task)
    session.add(row)
    await session.commit()
    await session.refresh(row)
    return row


# The guide has no batch. This is the simplest endpoint that stores and returns a list.
@app.post("/tasks:batch", response_model=list[TaskRead], status_code=201)
async def create_tasks(tasks: list[TaskCreate], session: AsyncSession = Depends(get_session)):
    rows = [Task.model_validate(task) for task in tasks]
    session.add_all(rows)
    await session.flush()
    answer = [TaskRead.model_validate(row, from_attributes=True) for row in rows]
    await session.commit()
    return answer


# The guide has no order, which stable pages need. This adds one, by the primary key.
@app.get("/tasks", response_model=list[TaskRead])
async def list_tasks(
    session: AsyncSession = Depends(get_session), offset: int = 0, limit: int = 100
):
    result = await session.exec(select(Task).order_by(Task.id).offset(offset).limit(limit))
    return result.all()


@app.get("/tasks/nested", response_model=list[TaskNested])
async def list_nested(session: AsyncSession = Depends(get_session), limit: int = 100):
    related = selectinload(Task.assignments).selectinload(TaskAssignment.worker)
    statement = select(Task).options(selectinload(Task.project), related)
    result = await session.exec(statement.order_by(Task.id).limit(limit))
    return result.all()


@app.get("/tasks/filtered", response_model=list[TaskRead])
async def list_filtered(status: str, session: AsyncSession = Depends(get_session), limit: int = 20):
    statement = select(Task).where(Task.status == status)
    result = await session.exec(
        statement.order_by(Task.created_at.desc(), Task.id.desc()).limit(limit)
    )
    return result.all()


@app.get("/tasks/counted", response_model=list[TaskCounted])
async def list_counted(session: AsyncSession = Depends(get_session), limit: int = 100):
    statement = select(Task).options(selectinload(Task.assignments)).order_by(Task.id).limit(limit)
    return [
        TaskCounted(**task.model_dump(), assignments_count=len(task.assignments))
        for task in await session.exec(statement)
    ]


@app.get("/tasks/sorted", response_model=list[TaskRead])
async def list_sorted(session: AsyncSession = Depends(get_session), limit: int = 20):
    statement = select(Task).join(Task.project, isouter=True)
    ordered = statement.order_by(Project.slug.asc().nulls_last(), Task.id)
    return (await session.exec(ordered.limit(limit))).all()


MONTH = (
    cast(func.date_trunc("month", func.timezone("UTC", Task.created_at)), Date)
    if engine.dialect.name == "postgresql"
    else func.strftime("%Y-%m-01", Task.created_at)
).label("created_at.month")
COUNT = func.count().label("count")
AVERAGE = cast(func.avg(Task.progress_percent), Float).label("progress_percent.avg")


@app.get("/tasks/by-status", response_model=list[dict[str, Any]])
async def count_by_status(session: AsyncSession = Depends(get_session)):
    statement = select(Task.status, COUNT, AVERAGE).group_by(Task.status).order_by(Task.status)
    return [dict(row) for row in (await session.exec(statement)).mappings()]


@app.get("/tasks/by-month", response_model=list[dict[str, Any]])
async def count_by_month(session: AsyncSession = Depends(get_session)):
    keys = Task.status, MONTH.name
    statement = select(Task.status, MONTH, COUNT, AVERAGE).group_by(*keys).order_by(*keys)
    return [dict(row) for row in (await session.exec(statement)).mappings()]


# The ORM's way to write rows with related rows: add the graph, and load it again.
@app.post("/projects/nested", response_model=ProjectTasks, status_code=201)
async def create_project(body: ProjectCreate, session: AsyncSession = Depends(get_session)):
    project = Project(name=body.name, slug=body.slug)
    project.tasks = [Task.model_validate(task) for task in body.tasks]
    session.add(project)
    await session.flush()
    project_id = project.id
    await session.commit()
    return await load_project(session, project_id)


@app.patch("/projects/{project_id}/nested", response_model=ProjectTasks)
async def update_project(
    project_id: int, body: ProjectUpdate, session: AsyncSession = Depends(get_session)
):
    project = await load_project(session, project_id)
    tasks = {task.id: task for task in project.tasks}
    for change in body.tasks.update:
        if change.id not in tasks:
            raise HTTPException(status_code=404, detail="Task not found")
        tasks[change.id].sqlmodel_update(change.model_dump(exclude_unset=True))
    await session.commit()
    return await load_project(session, project_id)


async def load_project(session: AsyncSession, project_id: int) -> Project:
    statement = select(Project).where(Project.id == project_id)
    loaded = statement.options(selectinload(Project.tasks))
    result = await session.exec(loaded.execution_options(populate_existing=True))
    project = result.one_or_none()
    if project is None:
        raise HTTPException(status_code=404, detail="Project not found")
    return project


# Projects alone, with tasks, with their assignments, and with the workers of these.
tasks_of = selectinload(Project.tasks)
assignments_of = tasks_of.selectinload(Task.assignments)
LEVELS = (
    (ProjectRead, ()),
    (ProjectTasks, (tasks_of,)),
    (ProjectAssignments, (assignments_of,)),
    (ProjectWorkers, (assignments_of.selectinload(TaskAssignment.worker),)),
)


def listing_projects(options):
    async def list_projects(session: AsyncSession = Depends(get_session), limit: int = 10):
        statement = select(Project).options(*options).order_by(Project.id).limit(limit)
        return (await session.exec(statement)).all()

    return list_projects


for levels, (model, options) in enumerate(LEVELS):
    app.get(f"/projects/{levels}", response_model=list[model])(listing_projects(options))


@app.get("/tasks/{task_id}", response_model=TaskRead)
async def get_task(task_id: int, session: AsyncSession = Depends(get_session)):
    task = await session.get(Task, task_id)
    if not task:
        raise HTTPException(status_code=404, detail="Task not found")
    return task


@app.patch("/tasks/{task_id}", response_model=TaskRead)
async def update_task(
    task_id: int, change: TaskUpdate, session: AsyncSession = Depends(get_session)
):
    task = await session.get(Task, task_id)
    if not task:
        raise HTTPException(status_code=404, detail="Task not found")
    task.sqlmodel_update(change.model_dump(exclude_unset=True))
    session.add(task)
    await session.commit()
    await session.refresh(task)
    return task


@app.delete("/tasks/{task_id}")
async def delete_task(task_id: int, session: AsyncSession = Depends(get_session)):
    task = await session.get(Task, task_id)
    if not task:
        raise HTTPException(status_code=404, detail="Task not found")
    await session.delete(task)
    await session.commit()
    return {"ok": True}
