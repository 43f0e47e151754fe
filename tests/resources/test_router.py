"""A Resource is an APIRouter: endpoints, dependencies, operations, hooks, documents."""

import json
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.testclient import TestClient
from pydantic import field_validator, model_validator

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Page,
    Problem,
    Resource,
    Session,
    SQLModel,
    col,
    problems,
    select,
)
from colonnade.errors import ModelError
from tests.resources.world import everything, serving


class TestEndpoints:
    def test_the_users_own_match_first(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db)

        @tasks.get("/export")
        def export() -> str:
            return "mine"

        with serving(tasks) as client:
            assert client.get("/tasks/export").json() == "mine"
            assert client.get("/tasks/1").status_code == 404

    def test_those_outside_of_its_prefix_are_found(
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

    def test_a_path_of_no_route_and_a_method_of_none(self, client: TestClient) -> None:
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

    def test_one_of_a_generated_path_takes_its_place(
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

    def test_even_if_it_comes_after_the_app_has_it(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        with serving(tasks) as client:
            assert client.get("/tasks").json() == []

            @tasks.get("")
            def listed() -> str:
                return "mine"

            assert client.get("/tasks").json() == "mine"

    def test_a_page_in_an_endpoint_of_ones_own(
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
            answer = client.get("/tasks/busy?limit=2&count=exact&fields=title")
            assert answer.json() == [{"title": "a"}, {"title": "b"}]
            assert answer.headers["X-Total-Count"] == "3"
            following = answer.links["next"]["url"]
            assert following.startswith("/tasks/busy?")
            assert client.get(following).json() == [{"title": "c"}]
            assert client.get("/tasks/titles?order_by=-title&limit=2").json() == ["d", "c"]
            assert client.get("/tasks/titles?nope=1").status_code == 422

    def test_two_resources_on_one_table(self, db: Database, models: SimpleNamespace) -> None:
        first = Resource(models.Task, db)
        second = Resource(models.Task, db, prefix="/titles", operations={"list"})
        with serving(first, second) as client:
            client.post("/tasks", json={"title": "x"})
            assert client.get("/titles").json() == client.get("/tasks").json()
            assert client.post("/titles", json={"title": "x"}).status_code == 405

    def test_a_prefix_of_the_app_is_in_every_link(
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
    def test_chosen(self, db: Database, models: SimpleNamespace) -> None:
        with serving(Resource(models.Task, db, operations={"list", "read"})) as client:
            assert client.get("/tasks").status_code == 200
            for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/1"), ("DELETE", "/tasks/1")):
                assert client.request(method, url, json={}).status_code == 405
            assert client.post("/tasks:batch", json=[]).status_code == 404

    def test_guarded_alone_and_in_batches(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db, dependencies={"delete": [Depends(admin)]})
        with serving(tasks) as client:
            client.post("/tasks:batch", json=[{"title": "a"}, {"title": "b"}])
            for url in ("/tasks/1", "/tasks:batch?key=1"):
                answer = client.delete(url)
                assert (answer.status_code, answer.json()) == (403, {"detail": "Not for you"})
            assert client.delete("/tasks/1", headers={"Role": "admin"}).status_code == 200
            assert client.get("/tasks").status_code == 200

    def test_dependencies_of_all_routes(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db, dependencies=[Depends(admin)])

        @tasks.get("/mine")
        def mine() -> str:
            return "mine"

        with serving(tasks) as client:
            for url in ("/tasks", "/tasks/1", "/tasks/mine"):
                assert client.get(url).status_code == 403
            assert client.get("/tasks/mine", headers={"Role": "admin"}).json() == "mine"

    def test_dependencies_of_the_app_and_of_the_inclusion(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        app = FastAPI()
        app.include_router(Resource(models.Task, db), dependencies=[Depends(admin)])
        with TestClient(app) as client:
            assert client.get("/tasks").status_code == 403
            app.dependency_overrides[admin] = lambda: None
            assert client.get("/tasks").status_code == 200

    def test_unknown_names(self, db: Database, models: SimpleNamespace) -> None:
        with pytest.raises(ModelError, match="Did you mean delete"):
            Resource(models.Task, db, operations={"delet"})  # type: ignore[arg-type]  # the mistake
        with pytest.raises(ModelError, match="Unknown operation"):
            Resource(models.Task, db, dependencies={"remove": []})  # type: ignore[dict-item]  # the mistake
        wrong = Resource(models.Task, db, include=["projet"])
        with pytest.raises(ModelError, match="Did you mean project"), serving(wrong):
            pass
        with pytest.raises(ModelError, match="not a table"):
            Resource(SQLModel, db)


class TestHooks:
    def test_in_the_transaction_of_the_write(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db)
        seen: list[Any] = []

        @tasks.before("create")
        def shout(session: Session, values: dict[str, Any]) -> None:
            assert isinstance(session, Session)
            values["title"] = values["title"].upper()

        @tasks.after("create")
        async def label(session: AsyncSession, task: Any) -> None:
            assert isinstance(session, AsyncSession)
            session.add(models.Label(name=task.title))
            task.description = "hooked"

        @tasks.before("update")
        async def note(session: AsyncSession, values: dict[str, Any]) -> None:
            seen.append(dict(values))

        @tasks.after("delete")
        def count(session: Session, key: tuple[int]) -> None:
            seen.append(key)
            if session.exec(select(models.Task)).first() is None:
                raise Problem(409, "The last task stays")

        with serving(tasks, Resource(models.Label, db)) as client:
            created = client.post("/tasks", json={"title": "a"})
            assert (created.status_code, created.json()["title"]) == (201, "A")
            assert created.json()["description"] == "hooked"
            assert client.get("/labels").json()[0]["name"] == "A"
            batch = client.post("/tasks:batch", json=[{"title": "b"}, {"title": "c"}])
            assert [row["title"] for row in batch.json()] == ["B", "C"]
            client.patch("/tasks/1", json={"progress": 5})
            assert seen == [{"progress": 5}]
            assert client.delete("/tasks:batch?key=2&key=3").status_code == 200
            assert client.delete("/tasks/1").status_code == 409
            assert seen[1:] == [(2,), (3,), (1,)]
            assert client.get("/tasks/1").status_code == 200

    def test_what_a_hook_raises_undoes_the_write(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.after("create")
        def refuse(session: Session, task: Any) -> None:
            raise HTTPException(418, "No")

        with serving(tasks) as client:
            answer = client.post("/tasks", json={"title": "x"})
            assert (answer.status_code, answer.json()) == (418, {"detail": "No"})
            assert client.get("/tasks").json() == []

    def test_conditions_hold_between_hooks(self, db: Database, models: SimpleNamespace) -> None:
        tasks = Resource(models.Task, db)

        @tasks.before("update")
        def nothing(session: Session, values: Any) -> None: ...

        with serving(tasks) as client:
            tag = client.post("/tasks", json={"title": "x"}).headers["ETag"]
            headers = {"If-Match": tag}
            assert client.patch("/tasks/1", json={"title": "y"}, headers=headers).status_code == 200
            assert client.patch("/tasks/1", json={"title": "z"}, headers=headers).status_code == 412
            client.post("/tasks", json={"title": "below", "parent_id": 1})
            assert client.patch("/tasks/1", json={"parent_id": 2}).status_code == 409

    def test_of_no_write(self, db: Database, models: SimpleNamespace) -> None:
        with pytest.raises(ModelError, match="create, update or delete"):
            Resource(models.Task, db).before("list")  # type: ignore[arg-type]  # the mistake


class TestValidation:
    @pytest.fixture
    def events(self, db: Database) -> Any:
        class Event(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str
            start: int
            end: int

            @field_validator("name")
            @classmethod
            def tidy(cls, name: str) -> str:
                return name.strip()

            @model_validator(mode="after")
            def in_order(self) -> "Event":
                if self.start is not None and self.end is not None and self.start > self.end:
                    raise ValueError("ends before it starts")
                return self

        db.create_all()
        return Event

    def test_a_change_is_judged_with_the_rest_of_the_row(self, db: Database, events: Any) -> None:
        with serving(Resource(events, db)) as client:
            created = client.post("/events", json={"name": " x ", "start": 1, "end": 5})
            assert created.json()["name"] == "x"
            assert (
                client.post("/events", json={"name": "x", "start": 9, "end": 5}).status_code == 422
            )
            assert client.patch("/events/1", json={"start": 6}).status_code == 422
            assert client.patch("/events/1", json={"start": 4, "name": " y "}).json() == {
                "id": 1, "name": "y", "start": 4, "end": 5,
            }  # fmt: skip
            assert client.patch("/events/9", json={"start": 4}).status_code == 404

    def test_schemas_of_ones_own_go_through_the_model(self, db: Database, events: Any) -> None:
        class Start(SQLModel):
            name: str
            start: int
            end: int = 100

        class Rename(SQLModel):
            name: str | None = None

        class Named(SQLModel):
            name: str

        resource = Resource(events, db, create=Start, update=Rename, read=Named)
        with serving(resource) as client:
            assert client.post("/events", json={"name": " x ", "start": 1}).json() == {"name": "x"}
            assert client.post("/events", json={"name": "x", "start": 101}).status_code == 422
            assert client.patch("/events/1", json={"name": " z "}).json() == {"name": "z"}
            assert client.patch("/events/1", json={"name": None}).status_code == 422
            assert client.get("/events?start=1").status_code == 422  # it is not shown

    def test_a_key_in_an_update_schema_is_a_mistake(self, db: Database, events: Any) -> None:
        class Change(SQLModel):
            id: int
            name: str

        wrong = Resource(events, db, update=Change)
        with pytest.raises(ModelError, match=r"Change\.id is the primary key"), serving(wrong):
            pass

    def test_the_path_of_an_answer_can_be_asked(self, db: Database, events: Any) -> None:
        assert Resource(events, db).why_not_exact == ()


class TestDocuments:
    def test_every_operation_has_its_parameters_body_and_answers(self, client: TestClient) -> None:
        document = client.get("/openapi.json").json()
        paths = document["paths"]
        listed = paths["/tasks"]["get"]
        names = {parameter["name"] for parameter in listed["parameters"]}
        assert {"limit", "cursor", "status", "progress__gte", "project__slug__in"} <= names
        assert "workers__token" not in names
        assert listed["operationId"] == "list_tasks_tasks_get"
        status = next(
            parameter for parameter in listed["parameters"] if parameter["name"] == "status"
        )
        assert status["schema"]["enum"] == ["pending", "in_progress", "completed"]
        body = paths["/tasks"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/TaskCreate"}
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
                assert {"user", "limit", "status", "project__slug"} <= names
            names = {parameter["name"] for parameter in paths["/tasks/{id}"]["patch"]["parameters"]}
            assert names == {"user", "id", "If-Match"}
            assert set(paths["/tasks"]["post"]["responses"]) & {"200", "201", "403"} == {
                "201",
                "403",
            }

    def test_operation_ids_are_the_apps_to_choose(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        app = FastAPI(generate_unique_id_function=lambda route: route.name)
        for resource in everything(db, models):
            app.include_router(resource)
        ids = [
            operation["operationId"]
            for path in app.openapi()["paths"].values()
            for operation in path.values()
        ]
        assert len(ids) == len(set(ids))
        assert {"list_tasks", "create_task", "update_tasks", "link_task_workers"} <= set(ids)

    def test_tags_and_what_is_hidden(self, db: Database, models: SimpleNamespace) -> None:
        shown = Resource(models.Task, db, tags=["work"], deprecated=True)
        hidden = Resource(models.Label, db, include_in_schema=False)
        with serving(shown, hidden) as client:
            paths = client.get("/openapi.json").json()["paths"]
            assert paths["/tasks"]["get"]["tags"] == ["work"]
            assert paths["/tasks"]["get"]["deprecated"] is True
            assert "/labels" not in paths


class TestProblems:
    def test_the_apps_own_errors_keep_their_shape_unless_asked(
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
    def test_a_body_that_is_not_json_is_invalid_wherever_it_goes(
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
                answer = client.post(path, content=body, headers=json)
                assert answer.status_code == 422, path
                assert answer.json()["type"] == "urn:colonnade:invalid"
                assert answer.json()["errors"][0]["loc"][0] == "body"
            assert client.post("/own", json={"title": "x"}).status_code == 400

    def test_one_shape(self, client: TestClient) -> None:
        for answer in (
            client.get("/tasks/9"),
            client.get("/tasks?x=1"),
            client.post("/tasks", json={"title": "x", "project_id": 9}),
            client.get("/tasks/x"),
        ):
            assert answer.headers["Content-Type"] == "application/problem+json"
            problem = answer.json()
            assert {"type", "title", "status", "detail"} <= set(problem)
            assert problem["status"] == answer.status_code
