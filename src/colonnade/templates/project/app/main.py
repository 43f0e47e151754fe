"""The application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.database import db
from app.resources import labels, projects, tasks, workers
from colonnade import problems


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with db.lifespan(app):
        await db.create_all_async()
        yield


app = FastAPI(title="{{ name }}", lifespan=lifespan)
for resource in (tasks, projects, workers, labels):
    app.include_router(resource)
problems(app)  # every error looks like those of the resources
