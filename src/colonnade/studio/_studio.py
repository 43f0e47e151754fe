"""``Studio``: pages for the data and the schema of an application."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response, params
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from colonnade.errors import ModelError
from colonnade.resources import (
    Resource,
    ServedTable,
    readable_tables,
    refuse_parameters,
    served_tables,
)
from colonnade.studio._in_process import InProcessResponse
from colonnade.studio._schema_routes import SchemaRoutes
from colonnade.studio._security import (
    DATA_HEADERS,
    PAGE_HEADERS,
    provide_token,
    refuse_other_origins,
    refuse_writes_without_token,
)

STATIC = Path(str(files("colonnade.studio") / "static"))

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class _AnyPathConvertor(PathConvertor):
    """A path with any character: Starlette's path has no line breaks, which keys may have."""

    regex = r"[\s\S]*"


ANY_PATH = "colonnade_any_path"
register_url_convertor(ANY_PATH, _AnyPathConvertor())


class Studio:
    """Pages to browse and edit the rows of an application's Resources, and to view its schema.

    The pages use the same API as every client: schemas, scopes, dependencies, hooks and errors
    apply. Resources that the application does not include are served to Studio alone, so that an
    admin interface can have others, with other scopes.

    Args:
        app: The application.
        resources: The Resources; by default all that the application includes, except those whose
            path has parameters.
        dependencies: Dependencies that raise 401 or 403 for users who may not use Studio. They run
            for every route with data, but not for the page itself, which is served to everyone.
        prefix: The path of the pages.
        title: The title of the pages; by default that of the application.
        left_out: Messages about tables that are not shown, such as ``journal, because ...``.

    Raises:
        ModelError: There are no dependencies, the path of a Resource has parameters, or the prefix
            does not begin with / or ends with it.

    Examples:
        ```python
        from fastapi import Depends, FastAPI, Header, HTTPException
        from fastapi.testclient import TestClient

        from colonnade import Database, Field, Resource, SQLModel, Studio


        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str


        def require_admin(authorization: str = Header("")) -> None:
            if authorization != "Bearer of an admin":
                raise HTTPException(401)


        db = Database("sqlite://")
        db.create_all()
        app = FastAPI()
        app.include_router(Resource(Note, db))
        Studio(app, dependencies=[Depends(require_admin)])

        client = TestClient(app)
        print(client.get("/studio/").status_code)  # 200
        print(client.get("/studio/api/data/notes").status_code)  # 401
        ```
    """

    _shows_all = False
    """Whether everyone who may use it may see all of the database."""

    def __init__(
        self,
        app: FastAPI,
        resources: Sequence[Resource] | None = None,
        *,
        dependencies: Sequence[params.Depends] = (),
        prefix: str = "/studio",
        title: str | None = None,
        left_out: Sequence[str] = (),
    ) -> None:
        if not dependencies:
            raise ModelError(
                "Studio needs dependencies that decide who may use it, such as "
                "Studio(app, dependencies=[Depends(require_admin)])."
            )
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ModelError(f"prefix={prefix!r} must begin with / and not end with it: /studio.")
        for resource in resources or ():
            refuse_parameters(resource, resource.prefix, "Studio")
        self._app = app
        self._resources = resources
        self._prefix = prefix
        self._title = title or app.title
        self._left_out = tuple(left_out)
        self._schema = SchemaRoutes(lambda: self.tables, shows_all=self._shows_all)
        app.mount(f"{prefix}/static", _Assets(directory=STATIC), name="studio-static")
        app.include_router(self._api(dependencies))
        app.include_router(self._pages())

    @cached_property
    def tables(self) -> dict[str, ServedTable]:
        """The tables by their ids, as they are when the first request arrives."""
        return served_tables(self._app, self._resources, "Studio")

    def _api(self, dependencies: Sequence[params.Depends]) -> APIRouter:
        """The routes with data, which the dependencies guard."""
        router = APIRouter(
            prefix=f"{self._prefix}/api",
            include_in_schema=False,
            dependencies=[
                Depends(refuse_other_origins),
                *dependencies,
                Depends(refuse_writes_without_token),
            ],
        )
        self._add_routes(router)
        return router

    @property
    def features(self) -> dict[str, bool]:
        """What the pages may offer besides the usual."""
        return {}

    def _add_routes(self, router: APIRouter) -> None:
        router.add_api_route("/catalog", self._catalog, methods=["GET"])
        router.add_api_route(f"/data/{{path:{ANY_PATH}}}", self._data, methods=METHODS)
        self._schema.add_to(router)

    def _pages(self) -> APIRouter:
        """The page, which has no data: its scripts show what its URL names."""
        router = APIRouter(include_in_schema=False)
        for path in (self._prefix, f"{self._prefix}/", f"{self._prefix}/{{path:{ANY_PATH}}}"):
            router.add_api_route(path, self._page, methods=["GET"])
        return router

    async def _page(self, request: Request, path: str = "") -> Response:
        if path.startswith(("api/", "static/")):
            raise HTTPException(404)
        page = (STATIC / "page.html").read_text(encoding="utf-8")
        root = request.scope.get("root_path", "").rstrip("/")
        values = {"base": f"{root}{self._prefix}/", "root": root, "title": self._title}
        for name, value in values.items():
            page = page.replace(f"{{{{ {name} }}}}", escape(value))
        return HTMLResponse(page, headers=dict(PAGE_HEADERS))

    async def _catalog(self, request: Request) -> Response:
        """What the pages need to know: the tables, and the token for writes."""
        readable = await readable_tables(self.tables, request)
        described = [
            {
                "id": name,
                "url": table.served.path,
                "is_public": table.served.is_public,
                "counts_exactly": table.served.resource.db.url.backend == "sqlite",
                **asdict(table.description),
            }
            for name, table in readable.items()
        ]
        response = JSONResponse(None, headers=dict(DATA_HEADERS))
        path = f"{request.scope.get('root_path', '').rstrip('/')}{self._prefix}/"
        token = provide_token(request, response, path)
        content: dict[str, Any] = {
            "title": self._title,
            "csrf": token,
            "tables": described,
            "left_out": self._left_out,
            "features": {
                "drift": self._schema.may_compare(readable.values()),
                **self.features,
            },
        }
        response.body = response.render(content)
        response.headers["content-length"] = str(len(response.body))
        return response

    async def _data(self, request: Request, path: str) -> Response:
        """Answer with what the Resource answers."""
        name, below = _split(path)
        table = self.tables.get(name)
        if table is None:
            raise HTTPException(404, f"Studio has no table {name[:100]!r}.")
        return InProcessResponse(request, table, below)


def _split(path: str) -> tuple[str, str]:
    """The id of a table, and the path below that of its Resource."""
    for index, character in enumerate(path):
        if character in "/:":
            return path[:index], path[index:]
    return path, ""


class _Assets(StaticFiles):
    """The scripts and styles of the page."""

    def file_response(
        self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(PAGE_HEADERS)
        if str(full_path).endswith(".js"):
            # Some systems have another type in their registry, with which no script is executed.
            response.headers["content-type"] = "text/javascript; charset=utf-8"
        return response
