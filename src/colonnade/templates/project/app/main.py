"""The application."""

from fastapi import FastAPI

from app.database import db
from app.resources import labels, projects, tasks, workers
from colonnade import problems

app = FastAPI(title="{{ name }}", lifespan=db.lifespan)
for resource in (tasks, projects, workers, labels):
    app.include_router(resource)
problems(app)  # all errors have the format of the resources' errors
