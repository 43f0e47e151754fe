"""The application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError

from app import projects, tasks, workers
from app.database import db


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with db.lifespan(app):
        await db.create_all_async()
        yield


app = FastAPI(title="{{ name }}", lifespan=lifespan)
for module in (tasks, projects, workers):
    app.include_router(module.router)


@app.exception_handler(IntegrityError)
async def conflict(request: Request, error: IntegrityError) -> JSONResponse:
    """What the database refuses: a key that is taken, a row that is not there."""
    return JSONResponse({"detail": "That conflicts with what is stored"}, status_code=409)
