"""``health_router``: routes that tell an orchestrator whether an app is alive, and ready.

```python
from colonnade.health import health_router

app.include_router(health_router(db))
```
"""

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from colonnade.database import Database
from colonnade.project import Project


def health_router(
    db: Database, *, path: str = "/health", migrations: bool | None = None
) -> APIRouter:
    """Routes that tell how an app and its database are.

    ``GET /health/live`` answers 200 while the app runs. ``GET /health`` answers 200 when the
    database answers as well, and is at the newest of the project's migrations; 503 when not. They
    say no more than that: where the database is, and why it is not reached, the log says.

    Args:
        db: The database.
        path: Where they are.
        migrations: Whether the migrations are looked at; by default, if the project has some.

    Returns:
        A router to include.
    """
    router = APIRouter(prefix=path, tags=["health"])

    @cache
    def heads() -> tuple[str, ...] | None:
        if migrations is False:
            return None
        from colonnade.migrations import History

        history = History(Project.find(Path.cwd()))
        if history.is_empty and migrations is None:
            return None
        return tuple(sorted(history.heads))

    @router.get("/live", summary="Whether the app runs")
    async def live() -> dict[str, bool]:
        return {"alive": True}

    @router.get("", summary="Whether the app can do its work", responses={503: {}})
    async def ready() -> JSONResponse:
        health = await db.health_async()
        report: dict[str, Any] = {"database": "reached" if health.reached else "unreachable"}
        is_ready = health.reached
        wanted = heads()
        if health.reached and wanted is not None:
            at_head = wanted == (health.revisions or ()) and not health.unfinished
            report["migrations"] = "at head" if at_head else "not at head"
            if health.unfinished:
                report["migrations"] = "unfinished"
            is_ready = at_head
        body = {"alive": True, "ready": is_ready, **report}
        return JSONResponse(body, 200 if is_ready else 503, {"Cache-Control": "no-store"})

    return router
