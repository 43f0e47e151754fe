"""The endpoints of projects."""

from fastapi import APIRouter, HTTPException

from app.database import Session
from app.models import Project, ProjectRead
from app.tasks import Limit, Offset
from colonnade import col, select

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("", response_model=list[ProjectRead])
async def list_projects(session: Session, limit: Limit = 50, offset: Offset = 0) -> list[Project]:
    statement = select(Project).order_by(col(Project.id)).limit(limit).offset(offset)
    return list((await session.exec(statement)).all())


@router.get("/{project_id}", response_model=ProjectRead)
async def read_project(project_id: int, session: Session) -> Project:
    project = await session.get(Project, project_id)
    if project is None:
        raise HTTPException(status_code=404, detail="Project not found")
    return project
