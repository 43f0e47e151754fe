"""The application."""

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from app.database import db
from app.resources import labels, projects, tasks, workers
from app.totals import totals_page
from colonnade import problems
from colonnade.health import health_router
from colonnade.migrations import checked_lifespan

app = FastAPI(title="{{ name }}", lifespan=checked_lifespan(db))
for resource in (tasks, projects, workers, labels):
    app.include_router(resource)
app.include_router(totals_page)
app.include_router(health_router(db))
problems(app)  # all errors have the format of the resources' errors


@app.get("/", include_in_schema=False)
async def start_page() -> RedirectResponse:
    return RedirectResponse("docs")
