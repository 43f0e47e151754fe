"""The endpoints of tasks."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from app.database import Session
from app.models import (
    AssignmentRead,
    Label,
    LabelRead,
    Status,
    Task,
    TaskAssignment,
    TaskCreate,
    TaskLabel,
    TaskRead,
    TaskUpdate,
)
from colonnade import col, select

router = APIRouter(prefix="/tasks", tags=["tasks"])

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0)]


async def find(session: Session, task_id: int) -> Task:
    task = await session.get(Task, task_id)
    if task is None:
        raise HTTPException(status_code=404, detail="Task not found")
    return task


async def refuse_cycle(session: Session, task_id: int, parent_id: int | None) -> None:
    """A task cannot be below itself."""
    while parent_id is not None:
        if parent_id == task_id:
            raise HTTPException(status_code=409, detail="A task cannot be its own ancestor")
        parent_id = (
            await session.exec(select(Task.parent_id).where(col(Task.id) == parent_id))
        ).first()


@router.post("", response_model=TaskRead, status_code=201)
async def create_task(body: TaskCreate, session: Session, response: Response) -> Task:
    task = Task.model_validate(body)
    session.add(task)
    await session.commit()
    response.headers["Location"] = f"/tasks/{task.id}"
    return task


@router.get("", response_model=list[TaskRead])
async def list_tasks(
    session: Session,
    status: Status | None = None,
    project_id: int | None = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[Task]:
    statement = select(Task).order_by(col(Task.id)).limit(limit).offset(offset)
    if status is not None:
        statement = statement.where(Task.status == status)
    if project_id is not None:
        statement = statement.where(Task.project_id == project_id)
    return list((await session.exec(statement)).all())


@router.get("/{task_id}", response_model=TaskRead)
async def read_task(task_id: int, session: Session) -> Task:
    return await find(session, task_id)


@router.patch("/{task_id}", response_model=TaskRead)
async def update_task(task_id: int, body: TaskUpdate, session: Session) -> Task:
    task = await find(session, task_id)
    changes = body.model_dump(exclude_unset=True)
    await refuse_cycle(session, task_id, changes.get("parent_id"))
    task.sqlmodel_update(changes)
    session.add(task)
    await session.commit()
    return task


@router.delete("/{task_id}")
async def delete_task(task_id: int, session: Session) -> dict[str, bool]:
    await session.delete(await find(session, task_id))
    await session.commit()
    return {"ok": True}


@router.get("/{task_id}/subtasks", response_model=list[TaskRead])
async def list_subtasks(task_id: int, session: Session) -> list[Task]:
    await find(session, task_id)
    statement = select(Task).where(Task.parent_id == task_id).order_by(col(Task.id))
    return list((await session.exec(statement)).all())


@router.get("/{task_id}/assignments", response_model=list[AssignmentRead])
async def list_assignments(task_id: int, session: Session) -> list[TaskAssignment]:
    await find(session, task_id)
    statement = select(TaskAssignment).where(TaskAssignment.task_id == task_id)
    return list((await session.exec(statement.order_by(col(TaskAssignment.worker_id)))).all())


@router.get("/{task_id}/labels", response_model=list[LabelRead])
async def list_labels(task_id: int, session: Session) -> list[Label]:
    await find(session, task_id)
    statement = select(Label).join(TaskLabel).where(TaskLabel.task_id == task_id)
    return list((await session.exec(statement.order_by(col(Label.name)))).all())
