"""``LocalStudio``: the Studio of a command, which may also show the SQL of a request."""

from collections.abc import Sequence
from dataclasses import asdict

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from colonnade.studio._local_access import require_local_access
from colonnade.studio._security import DATA_HEADERS
from colonnade.studio._studio import ANY_PATH, Studio


class LocalStudio(Studio):
    """Studio on this machine, for whoever opened the URL with the token: see ``LocalAccess``.

    Only it shows SQL, which reveals what schemas hide.

    Args:
        app: The application.
        title: The title of the pages; by default that of the application.
        shows_sql: Whether it shows the SQL and the plan of what a page shows.
        left_out: Tables that are not shown, with the reason.
    """

    _shows_all = True

    def __init__(
        self,
        app: FastAPI,
        *,
        title: str | None = None,
        shows_sql: bool = False,
        left_out: Sequence[str] = (),
    ) -> None:
        self._shows_sql = shows_sql
        guards = [Depends(require_local_access)]
        super().__init__(app, dependencies=guards, title=title, left_out=left_out)

    @property
    def features(self) -> dict[str, bool]:
        """What the pages may offer besides the usual."""
        return {"sql": self._shows_sql, "local": True}

    def _add_routes(self, router: APIRouter) -> None:
        super()._add_routes(router)
        if self._shows_sql:
            for path in ("/explain/{table}", f"/explain/{{table}}/{{key:{ANY_PATH}}}"):
                router.add_api_route(path, self._explain, methods=["GET"])

    async def _explain(self, request: Request, table: str, key: str | None = None) -> Response:
        served = self.tables.get(table)
        if served is None:
            raise HTTPException(404, f"Studio has no table {table[:100]!r}.")
        explanation = await served.resource.explain(served.resource.query(request), key)
        return JSONResponse(asdict(explanation), headers=dict(DATA_HEADERS))
