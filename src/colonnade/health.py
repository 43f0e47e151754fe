"""``health_router``: liveness and readiness routes for an orchestrator.

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
    """Create the liveness and readiness routes of an app.

    ``GET /health/live`` returns 200 while the app runs. ``GET /health`` returns 200 if the
    database answers and is at the head of the project's migrations, else 503. The responses do not
    name the database or the cause of a failure; the log does.

    Args:
        db: The database.
        path: The path of the routes.
        migrations: Whether to check the migrations; by default if the project has any.

    Returns:
        The router, to include in the app.

    Examples:
        ```python
        from fastapi import FastAPI
        from fastapi.testclient import TestClient

        from colonnade import Database
        from colonnade.health import health_router

        app = FastAPI()
        app.include_router(health_router(Database("sqlite://"), migrations=False))
        client = TestClient(app)
        print(client.get("/health/live").json())  # {'alive': True}
        print(client.get("/health").json())
        # {'alive': True, 'ready': True, 'database': 'reached'}
        ```
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

    @router.get("/live", summary="Check that the app is running")
    async def live() -> dict[str, bool]:
        return {"alive": True}

    @router.get("", summary="Check that the app can serve requests", responses={503: {}})
    async def ready() -> JSONResponse:
        health = await db.health_async()
        report: dict[str, Any] = {"database": "reached" if health.reached else "unreachable"}
        is_ready = health.reached
        project_heads = heads()
        if health.reached and project_heads is not None:
            at_head = project_heads == (health.revisions or ()) and not health.unfinished
            report["migrations"] = "at head" if at_head else "not at head"
            if health.unfinished:
                report["migrations"] = "unfinished"
            is_ready = at_head
        body = {"alive": True, "ready": is_ready, **report}
        return JSONResponse(body, 200 if is_ready else 503, {"Cache-Control": "no-store"})

    return router
