"""The endpoints of the floor on a FastAPI router, to measure the overhead of FastAPI."""

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from benchmarks.contenders import floor

router = APIRouter()


@router.get("/tasks")
async def list_tasks(request: Request) -> Response:
    return await floor.tasks(request)


@router.post("/tasks")
async def create_task(request: Request) -> Response:
    return await floor.tasks(request)


@router.get("/tasks/{id}")
async def get_task(request: Request) -> Response:
    return await floor.task(request)


@router.patch("/tasks/{id}")
async def update_task(request: Request) -> Response:
    return await floor.task(request)


app = FastAPI(lifespan=floor.lifespan)
app.include_router(router)
