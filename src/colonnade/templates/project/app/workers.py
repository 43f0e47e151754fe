"""The endpoints of workers."""

from fastapi import APIRouter, HTTPException, Query

from app.database import Session
from app.models import AssignmentRead, TaskAssignment, Worker, WorkerRead, WorkerType
from app.tasks import Limit, Offset
from typing import Annotated

from colonnade import col, select

router = APIRouter(prefix="/workers", tags=["workers"])


@router.get("", response_model=list[WorkerRead])
async def list_workers(
    session: Session,
    kind: Annotated[WorkerType | None, Query(alias="type")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[Worker]:
    statement = select(Worker).order_by(col(Worker.id)).limit(limit).offset(offset)
    if kind is not None:
        statement = statement.where(Worker.type == kind)
    return list((await session.exec(statement)).all())


@router.get("/{worker_id}", response_model=WorkerRead)
async def read_worker(worker_id: str, session: Session) -> Worker:
    worker = await session.get(Worker, worker_id)
    if worker is None:
        raise HTTPException(status_code=404, detail="Worker not found")
    return worker


@router.get("/{worker_id}/assignments", response_model=list[AssignmentRead])
async def list_assignments(worker_id: str, session: Session) -> list[TaskAssignment]:
    await read_worker(worker_id, session)
    statement = select(TaskAssignment).where(TaskAssignment.worker_id == worker_id)
    return list((await session.exec(statement.order_by(col(TaskAssignment.task_id)))).all())
