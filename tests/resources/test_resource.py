"""A Resource is an APIRouter: endpoints, dependencies, operations, OpenAPI, problems."""

import json
import re
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.testclient import TestClient
from pydantic import BaseModel

from colonnade import (
    Database,
    Field,
    Page,
    Relationship,
    Resource,
    Session,
    SQLModel,
    col,
    problems,
    select,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import all_resources, serving


class TestEndpoints:
    def test_custom_endpoints_match_first(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db)

        @tasks.get("/export")
        def export() -> str:
            return "mine"

        with serving(tasks) as client:
            assert client.get("/tasks/export").json() == "mine"
            assert client.get("/tasks/1").status_code == 404

    def test_routes_outside_of_the_prefix_are_matched(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        tasks.mount("/elsewhere", Response("mine"))
        outer = APIRouter(prefix="/v1")
        outer.include_router(tasks)
        app = FastAPI()
        app.include_router(outer, prefix="/api")
        with TestClient(app) as client:
            assert client.get("/api/v1/tasks").json() == []
            assert client.get("/api/v1/elsewhere/there").text == "mine"

    def test_unknown_paths_and_methods_are_refused(self, client: TestClient) -> None:
        assert client.get("/tasks/1/nothing").status_code == 404
        assert client.get("/tasks-and-more").status_code == 404
        assert client.put("/tasks").status_code == 405
        assert client.put("/tasks/1").status_code == 405
        assert client.get("/tasks/").status_code == 200  # redirected

    def test_a_path_is_the_english_plural(self, db: Database) -> None:
        class City(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class BookShelf(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Series(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        db.create_all()
        with serving(*(Resource(model, db) for model in (City, BookShelf, Series))) as client:
            for path in ("/cities", "/book-shelves", "/series"):
                assert client.get(path).json() == []
            paths = client.get("/openapi.json").json()["paths"].values()
            names = [operation["operationId"] for path in paths for operation in path.values()]
        assert len(names) == len(set(names))

    def test_a_custom_endpoint_replaces_a_generated_route(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.get("/{task_id}")
        def read(task_id: int) -> int:
            return task_id

        with serving(tasks) as client:
            assert client.get("/tasks/7").json() == 7
            assert client.patch("/tasks/7", json={}).status_code == 404
            paths = client.get("/openapi.json").json()["paths"]
            assert "get" not in paths["/tasks/{id}"]

    def test_an_endpoint_added_later_replaces_a_generated_route(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        with serving(tasks) as client:
            assert client.get("/tasks").json() == []

            @tasks.get("")
            def listed() -> str:
                return "mine"

            assert client.get("/tasks").json() == "mine"

    def test_custom_endpoints_respond_with_pages(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(*(models.Task(title=title, progress=9) for title in "abc"), models.Task(title="d"))
        tasks = Resource(models.Task, db)

        @tasks.get("/busy")
        async def busy(query: Annotated[Page, Depends(tasks.query)]) -> Response:
            return await tasks.answer(query.where(col(models.Task.progress) > 0))

        @tasks.get("/titles")
        def titles(
            query: Annotated[Page, Depends(tasks.query)],
            session: Annotated[Session, Depends(db.get_session)],
        ) -> list[str]:
            return list(session.exec(query.apply(select(models.Task.title))).all())

        with serving(tasks) as client:
            response = client.get("/tasks/busy?limit=2&count=exact&fields=title")
            assert response.json() == [{"title": "a"}, {"title": "b"}]
            assert response.headers["X-Total-Count"] == "3"
            following = response.links["next"]["url"]
            assert following.startswith("/tasks/busy?")
            assert client.get(following).json() == [{"title": "c"}]
            assert client.get("/tasks/titles?order_by=-title&limit=2").json() == ["d", "c"]
            assert client.get("/tasks/titles?nope=1").status_code == 422

    def test_endpoints_with_pages_have_query_parameters_of_their_own(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        class Options(BaseModel):
            loud: bool = False
            voice: str = Field("low", alias="as")

        def tenant(tenant: int = 0) -> int:
            return tenant

        store(*(models.Task(title=title) for title in "abc"))
        tasks = Resource(models.Task, db, dependencies=[Depends(tenant)])

        @tasks.get("/loud")
        async def loud(
            query: Annotated[Page, Depends(tasks.query)],
            options: Annotated[Options, Query()],
            number: Annotated[int, Depends(tenant)],
        ) -> list[Any]:
            page = await tasks.answer(query)
            return [options.loud, options.voice, number, json.loads(bytes(page.body))]

        app = FastAPI()

        @app.get("/outside")
        async def outside(
            query: Annotated[Page, Depends(tasks.query)], title: str, loud: bool = False
        ) -> list[Any]:
            return [title, loud, json.loads(bytes((await tasks.answer(query)).body))]

        app.include_router(tasks)
        problems(app)
        with TestClient(app) as client:
            url = "/tasks/loud?loud=true&as=high&tenant=3&limit=1&fields=title"
            assert client.get(url).json() == [True, "high", 3, [{"title": "a"}]]
            assert client.get("/tasks/loud?louder=true").status_code == 422
            url = "/outside?title=b&loud=true&fields=title"  # a filter and a parameter
            assert client.get(url).json() == ["b", True, [{"title": "b"}]]
            # The parameters of dependencies do not concern the generated routes either.
            for url in ("/tasks?tenant=3", "/tasks/1?tenant=3"):
                assert client.get(url).status_code == 200
            assert client.delete("/tasks:batch?tenant=3&key=1").status_code == 200
            assert client.get("/tasks?tenants=3").status_code == 422

    def test_a_table_may_have_two_resources(self, db: Database, models: SimpleNamespace) -> None:
        first = Resource(models.Task, db)
        second = Resource(models.Task, db, prefix="/titles", operations={"list"})
        with serving(first, second) as client:
            client.post("/tasks", json={"title": "x"})
            assert client.get("/titles").json() == client.get("/tasks").json()
            assert client.post("/titles", json={"title": "x"}).status_code == 405

    def test_links_include_the_prefix_of_the_app(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        app = FastAPI()
        outer = APIRouter(prefix="/v1")
        outer.include_router(Resource(models.Task, db))
        app.include_router(outer, prefix="/api")
        with TestClient(app) as client:
            for _ in range(2):
                created = client.post("/api/v1/tasks", json={"title": "x"})
            assert created.headers["Location"] == "/api/v1/tasks/2"
            link = client.get("/api/v1/tasks?limit=1").links["next"]["url"]
            assert link.startswith("/api/v1/tasks?limit=1&cursor=")
            assert client.get(link).json()[0]["id"] == 2


def admin(request: Request) -> None:
    if request.headers.get("Role") != "admin":
        raise HTTPException(403, "Not for you")


class TestOperations:
    def test_only_the_chosen_operations_exist(self, db: Database, models: SimpleNamespace) -> None:
        with serving(Resource(models.Task, db, operations={"list", "read"})) as client:
            assert client.get("/tasks").status_code == 200
            for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/1"), ("DELETE", "/tasks/1")):
                assert client.request(method, url, json={}).status_code == 405
            assert client.post("/tasks:batch", json=[]).status_code == 404

    def test_dependencies_of_an_operation_apply_to_its_batch(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db, dependencies={"delete": [Depends(admin)]})
        with serving(tasks) as client:
            client.post("/tasks:batch", json=[{"title": "a"}, {"title": "b"}])
            for url in ("/tasks/1", "/tasks:batch?key=1"):
                response = client.delete(url)
                assert (response.status_code, response.json()) == (403, {"detail": "Not for you"})
            assert client.delete("/tasks/1", headers={"Role": "admin"}).status_code == 200
            assert client.get("/tasks").status_code == 200

    def test_dependencies_apply_to_all_routes(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db, dependencies=[Depends(admin)])

        @tasks.get("/mine")
        def mine() -> str:
            return "mine"

        with serving(tasks) as client:
            for url in ("/tasks", "/tasks/1", "/tasks/mine"):
                assert client.get(url).status_code == 403
            assert client.get("/tasks/mine", headers={"Role": "admin"}).json() == "mine"

    def test_dependencies_of_the_inclusion_apply(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        app = FastAPI()
        app.include_router(Resource(models.Task, db), dependencies=[Depends(admin)])
        with TestClient(app) as client:
            assert client.get("/tasks").status_code == 403
            app.dependency_overrides[admin] = lambda: None
            assert client.get("/tasks").status_code == 200

    def test_unknown_names_are_refused(self, db: Database, models: SimpleNamespace) -> None:
        with pytest.raises(ModelError, match="Did you mean delete"):
            Resource(models.Task, db, operations={"delet"})  # type: ignore[arg-type]  # the mistake
        with pytest.raises(ModelError, match="Unknown operation"):
            Resource(models.Task, db, dependencies={"remove": []})  # type: ignore[dict-item]  # the mistake
        wrong = Resource(models.Task, db, include=["projet"])
        with pytest.raises(ModelError, match="Did you mean project"), serving(wrong):
            pass
        with pytest.raises(ModelError, match="not a table"):
            Resource(SQLModel, db)


def references(document: dict[str, Any]) -> set[str]:
    return set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))


class TestOpenAPI:
    def test_every_operation_has_its_parameters_body_and_responses(
        self, client: TestClient
    ) -> None:
        document = client.get("/openapi.json").json()
        paths = document["paths"]
        listed = paths["/tasks"]["get"]
        names = {parameter["name"] for parameter in listed["parameters"]}
        assert {"limit", "cursor", "status", "progress__gte", "relation_filters"} <= names
        assert not [name for name in names if name.startswith("project__")]
        assert "workers__token" not in names
        assert listed["operationId"] == "list_tasks"
        status = next(
            parameter for parameter in listed["parameters"] if parameter["name"] == "status"
        )
        assert status["schema"] == {"$ref": "#/components/schemas/TaskStatus"}
        values = document["components"]["schemas"]["TaskStatus"]["enum"]
        assert values == ["pending", "in_progress", "completed"]
        for schema in ("TaskCreate", "TaskUpdate", "TaskRead"):
            assert "TaskStatus" in json.dumps(document["components"]["schemas"][schema])
        body = paths["/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body["$ref"] == "#/components/schemas/TaskCreate"
        assert set(paths["/tasks/{id}"]) == {"get", "patch", "delete"}
        problem = paths["/tasks/{id}"]["patch"]["responses"]["412"]["content"]
        assert list(problem) == ["application/problem+json"]
        assert "token" not in json.dumps(document["components"]["schemas"]["WorkerRead"])

    def test_parameters_of_a_dependency_join_those_of_the_route(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def owned(user: Annotated[int, Header()]) -> dict[str, int]:
            return {"owner_id": user}

        tasks = Resource(models.Task, db, scope=owned, include=["project"])

        @tasks.get("/mine")
        async def mine(query: Annotated[Page, Depends(tasks.query)]) -> Response:
            return await tasks.answer(query)

        with serving(tasks) as client:
            paths = client.get("/openapi.json").json()["paths"]
            for path in ("/tasks", "/tasks/mine"):
                names = {parameter["name"] for parameter in paths[path]["get"]["parameters"]}
                assert {"user", "limit", "status", "relation_filters"} <= names
            names = {parameter["name"] for parameter in paths["/tasks/{id}"]["patch"]["parameters"]}
            assert names == {"user", "id", "If-Match"}
            assert set(paths["/tasks"]["post"]["responses"]) & {"200", "201", "403"} == {
                "201",
                "403",
            }

    def test_the_app_chooses_the_operation_ids(self, db: Database, models: SimpleNamespace) -> None:
        app = FastAPI(generate_unique_id_function=lambda route: route.name)
        for resource in all_resources(db, models):
            app.include_router(resource)
        ids = [
            operation["operationId"]
            for path in app.openapi()["paths"].values()
            for operation in path.values()
        ]
        assert len(ids) == len(set(ids))
        assert {"list_tasks", "create_task", "update_tasks", "link_task_worker"} <= set(ids)

    def test_operation_ids_are_short_and_unique(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        app = FastAPI()
        for resource in all_resources(db, models):
            app.include_router(resource)
        app.include_router(Resource(models.Task, db, prefix="/admin/tasks"))
        ids = [
            operation["operationId"]
            for path in app.openapi()["paths"].values()
            for operation in path.values()
        ]
        assert len(ids) == len(set(ids))
        assert {"list_tasks", "update_tasks", "unlink_task_worker"} <= set(ids)
        assert {"admin_tasks_list_tasks", "admin_tasks_create_task"} <= set(ids)

    def test_references_of_an_endpoint_lead_to_components(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db, include=["project", "workers"], operations={"create"})

        @tasks.get("/mine")
        async def mine(query: Annotated[Page, Depends(tasks.query)]) -> int:
            return query.limit

        app = FastAPI()
        app.include_router(tasks)
        document = app.openapi()
        names = references(document)
        assert {"TaskStatus", "TaskOrderBy", "TaskInclude"} <= names
        assert names <= document["components"]["schemas"].keys()

    def test_parameters_list_the_values_if_two_tables_have_the_same_name(
        self, db: Database
    ) -> None:
        app = FastAPI()
        for table in ("item", "old_item"):

            class Item(SQLModel, table=True):
                __module__ = f"tests.{table}"
                __tablename__ = table

                id: int | None = Field(default=None, primary_key=True)
                status: Literal["open", "closed"] = "open"

            app.include_router(Resource(Item, db, prefix=f"/{table}"))
        document = app.openapi()
        assert references(document) <= document["components"]["schemas"].keys()
        for table in ("item", "old_item"):
            parameters = document["paths"][f"/{table}"]["get"]["parameters"]
            (status,) = (item["schema"] for item in parameters if item["name"] == "status")
            assert status["enum"] == ["open", "closed"]

    def test_an_application_that_is_created_twice_has_the_same_document(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def create_app() -> FastAPI:
            app = FastAPI()
            app.include_router(Resource(models.Task, db))
            return app

        first, second = create_app(), create_app()
        assert first.openapi() == second.openapi()

    def test_relation_filters_and_where_are_described_with_fields_of_the_table(
        self, client: TestClient
    ) -> None:
        parameters = client.get("/openapi.json").json()["paths"]["/tasks"]["get"]["parameters"]
        described = {parameter["name"]: parameter for parameter in parameters}
        assert described["relation_filters"]["explode"]
        assert "project__slug__in" in described["relation_filters"]["description"]
        example = described["where"]["description"].partition(": ")[2]
        assert client.get("/tasks", params={"where": example}).status_code == 200

    def test_the_example_of_a_body_is_accepted(self, client: TestClient) -> None:
        paths = client.get("/openapi.json").json()["paths"]
        for path, methods in paths.items():
            if "post" in methods and "{" not in path:
                content = methods["post"]["requestBody"]["content"]["application/json"]
                (example,) = content["schema"]["examples"]
                response = client.post(path, json=example)
                assert response.status_code in (201, 409), (path, example, response.text)
            if "patch" in methods and path.endswith(":batch"):
                content = methods["patch"]["requestBody"]["content"]["application/json"]
                ((row,),) = content["schema"]["examples"]
                assert len(row) > 1, path
                response = client.patch(path, json=[row])
                assert response.status_code in (200, 404, 409), (path, row, response.text)

    def test_a_resource_has_tags_and_may_be_hidden(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        shown = Resource(models.Task, db, tags=["work"], deprecated=True)
        hidden = Resource(models.Label, db, include_in_schema=False)
        with serving(shown, hidden) as client:
            paths = client.get("/openapi.json").json()["paths"]
            assert paths["/tasks"]["get"]["tags"] == ["work"]
            assert paths["/tasks"]["get"]["deprecated"] is True
            assert "/labels" not in paths


class TestProblems:
    def test_errors_of_the_app_become_problems_only_on_request(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        app = FastAPI()
        app.include_router(Resource(models.Task, db))

        @app.get("/own")
        def own(number: int) -> int:
            if number == 0:
                raise ZeroDivisionError("secret")
            raise HTTPException(404, "Nothing", headers={"X-Why": "because"})

        with TestClient(app, raise_server_exceptions=False) as client:
            assert client.get("/own?number=1").json() == {"detail": "Nothing"}
            assert "detail" in client.get("/own").json()
        problems(app)
        app.middleware_stack = None
        with TestClient(app, raise_server_exceptions=False) as client:
            nothing = client.get("/own?number=1")
            assert nothing.headers["Content-Type"] == "application/problem+json"
            assert nothing.headers["X-Why"] == "because"
            assert nothing.json()["detail"] == "Nothing"
            assert client.get("/own").json()["errors"][0]["field"] == "number"
            assert client.get("/nowhere").json()["status"] == 404
            crash = client.get("/own?number=0")
            assert (crash.status_code, "secret" in crash.text) == (500, False)

    @pytest.mark.parametrize(
        "body",
        [b'{"title": "\xff"}', b"\xff\xfe{", b"[" * 100_000, b'{"title": ' + b"1" * 5000 + b"}"],
        ids=["not UTF-8", "UTF-16", "too deep", "too many digits"],
    )
    def test_a_body_that_is_not_json_is_a_422_everywhere(
        self, db: Database, models: SimpleNamespace, body: bytes
    ) -> None:
        app = FastAPI()
        app.include_router(Resource(models.Task, db))
        problems(app)

        @app.post("/own")
        def own(task: dict[str, Any]) -> str:
            raise HTTPException(400, "There was an error parsing the task") from ValueError()

        with TestClient(app, raise_server_exceptions=False) as client:
            json = {"Content-Type": "application/json"}
            for path in ("/tasks", "/own"):
                response = client.post(path, content=body, headers=json)
                assert response.status_code == 422, path
                assert response.json()["type"] == "urn:colonnade:invalid"
                assert response.json()["errors"][0]["loc"][0] == "body"
            assert client.post("/own", json={"title": "x"}).status_code == 400

    def test_all_problems_have_the_same_format(self, client: TestClient) -> None:
        for response in (
            client.get("/tasks/9"),
            client.get("/tasks?x=1"),
            client.post("/tasks", json={"title": "x", "project_id": 9}),
            client.get("/tasks/x"),
        ):
            assert response.headers["Content-Type"] == "application/problem+json"
            problem = response.json()
            assert {"type", "title", "status", "detail"} <= set(problem)
            assert problem["status"] == response.status_code


def test_a_replaced_operation_also_replaces_its_batch(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    early, late = Resource(Note, db), Resource(Note, db, prefix="/late")
    list(late.routes)  # as including it does
    for notes in (early, late):

        @notes.delete("/{key}")
        def keep(key: int) -> str:
            return f"kept {key}"

    with serving(early, late) as client:
        for prefix in ("/notes", "/late"):
            client.post(f"{prefix}:batch", json=[{}])
            assert client.delete(f"{prefix}/1").json() == "kept 1"
            assert client.delete(f"{prefix}:batch?key=1").status_code == 405
        assert len(client.get("/notes").json()) == 2


@pytest.fixture
def order_models(db: Database) -> Any:
    """Tables with a cascade that only the ORM applies."""

    class Order(SQLModel, table=True):
        __tablename__ = "orders"
        id: int | None = Field(default=None, primary_key=True)
        lines: list["Line"] = Relationship(back_populates="order", cascade_delete=True)

    class Line(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        order_id: int | None = Field(default=None, foreign_key="orders.id")
        order: Order | None = Relationship(back_populates="lines")

    return Order, Line


def test_a_cascade_that_only_the_orm_applies_is_refused(db: Database, order_models: Any) -> None:
    fix = r'ondelete="CASCADE"\) on Line\.order_id'
    with pytest.raises(ModelError, match=fix), serving(Resource(order_models[0], db)):
        pass
    with serving(Resource(order_models[0], db, operations={"list", "create"})):
        pass  # without the delete operation
