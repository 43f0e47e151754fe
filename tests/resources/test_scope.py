"""Scope: what a request may reach, wherever a table is reached from. DESIGN, 2."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Response
from fastapi.testclient import TestClient

from colonnade import Database, Page, Resource, Unscoped, col
from colonnade.errors import ModelError
from tests.resources.world import INCLUDE, define, serving

User = Annotated[int | None, Header(alias="User")]


def owned(user: User = None) -> dict[str, Any] | None:
    """Rows of the user; none without one."""
    if user == 0:
        raise HTTPException(401, "Who are you?")
    return None if user is None else {"owner_id": user}


class Scoped(SimpleNamespace):
    """An app whose tasks, projects and labels belong to users 1 and 2."""

    client: TestClient
    tasks: Resource
    app: FastAPI

    def ids(self, url: str, user: int = 1) -> list[Any]:
        answer = self.client.get(url, headers={"User": str(user)})
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()]

    def ask(self, method: str, url: str, json: Any = None, user: int = 1) -> Any:
        return self.client.request(method, url, json=json, headers={"User": str(user)})


@pytest.fixture
def scoped(db: Database, models: SimpleNamespace, store: Any) -> Iterator[Scoped]:
    store(
        models.Project(id=1, name="Mine", slug="mine", owner_id=1),
        models.Project(id=2, name="Theirs", slug="theirs", owner_id=2),
        models.Label(id=1, name="mine", owner_id=1),
        models.Label(id=2, name="theirs", owner_id=2),
        models.Worker(id="@ana"),
    )
    store(
        models.Task(id=1, title="Mine", owner_id=1, project_id=1),
        models.Task(id=2, title="Theirs", owner_id=2, project_id=2),
        models.Task(id=3, title="Mine in theirs", owner_id=1, project_id=2),
    )
    store(
        models.Task(id=4, title="Theirs below mine", owner_id=2, parent_id=1),
        models.Task(id=5, title="Mine below mine", owner_id=1, parent_id=1),
    )
    store(models.Task(id=6, title="Mine below theirs", owner_id=1, parent_id=4))
    store(
        models.TaskLabel(task_id=1, label_id=1),
        models.TaskLabel(task_id=1, label_id=2),
        models.Assignment(task_id=2, worker_id="@ana"),
    )
    tasks = Resource(models.Task, db, include=INCLUDE, scope=owned)
    projects = Resource(models.Project, db, include=["tasks"], scope=Depends(owned))
    labels = Resource(models.Label, db, include=["tasks"], scope=owned)
    workers = Resource(models.Worker, db, include=["assignments.task"])
    app = FastAPI()

    @tasks.get("/own")
    async def own(query: Annotated[Page, Depends(tasks.query)]) -> Response:
        return await tasks.answer(query.where(col(models.Task.project_id).is_not(None)))

    for resource in (tasks, projects, labels, workers):
        app.include_router(resource)
    with TestClient(app) as client:
        yield Scoped(client=client, tasks=tasks, app=app, models=models)


class TestReading:
    def test_lists_and_counts(self, scoped: Scoped) -> None:
        assert scoped.ids("/tasks") == [1, 3, 5, 6]
        assert scoped.ids("/tasks", user=2) == [2, 4]
        answer = scoped.ask("GET", "/tasks?count=exact&limit=1")
        assert answer.headers["X-Total-Count"] == "4"
        following = scoped.ask("GET", answer.links["next"]["url"])
        assert following.json()[0]["id"] == 3

    def test_no_parameter_overrides_it(self, scoped: Scoped) -> None:
        assert scoped.ids("/tasks?owner_id=2") == []
        assert scoped.ids('/tasks?where={"or":[{"owner_id":2},{"owner_id":1}]}') == [1, 3, 5, 6]

    def test_single_rows(self, scoped: Scoped) -> None:
        assert scoped.ask("GET", "/tasks/1").status_code == 200
        assert scoped.ask("GET", "/tasks/2").status_code == 404

    def test_a_to_one_include_out_of_scope_is_null(self, scoped: Scoped) -> None:
        assert scoped.ask("GET", "/tasks/1?include=project").json()["project"]["id"] == 1
        assert scoped.ask("GET", "/tasks/3?include=project").json()["project"] is None

    def test_lists_in_an_include(self, scoped: Scoped) -> None:
        task = scoped.ask("GET", "/tasks/1?include=labels,subtasks").json()
        assert [label["id"] for label in task["labels"]] == [1]
        assert [subtask["id"] for subtask in task["subtasks"]] == [5]
        worker = scoped.ask("GET", "/workers/@ana?include=assignments.task").json()
        assert worker["assignments"][0]["task"] is None

    def test_filters_across_relations(self, scoped: Scoped) -> None:
        assert scoped.ids("/tasks?project__slug=theirs") == []
        assert scoped.ids("/tasks?labels__name=theirs") == []
        assert scoped.ids('/tasks?where={"not":{"project":{}}}') == [3, 5, 6]

    def test_lists_of_a_relation(self, scoped: Scoped) -> None:
        assert scoped.ids("/tasks/1/labels") == [1]
        assert scoped.ids("/projects/1/tasks") == [1]
        assert scoped.ask("GET", "/projects/2/tasks").status_code == 404

    def test_trees(self, scoped: Scoped) -> None:
        assert scoped.ids("/tasks/1/subtasks?depth=all") == [5]  # 6 is below 4, of another
        assert scoped.ask("GET", "/tasks/4/subtasks?depth=all").status_code == 404

    def test_an_endpoint_of_the_users_own(self, scoped: Scoped) -> None:
        assert scoped.ids("/tasks/own") == [1, 3]
        assert scoped.ids("/tasks/own?title=Mine") == [1]


class TestWriting:
    def test_a_new_row_is_inside(self, scoped: Scoped) -> None:
        created = scoped.ask("POST", "/tasks", {"title": "x"})
        assert (created.status_code, created.json()["owner_id"]) == (201, 1)
        assert scoped.ask("POST", "/tasks", {"title": "x", "owner_id": 1}).status_code == 201
        refused = scoped.ask("POST", "/tasks", {"title": "x", "owner_id": 2})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "owner_id"

    def test_no_write_leaves(self, scoped: Scoped) -> None:
        assert scoped.ask("PATCH", "/tasks/1", {"owner_id": 2}).status_code == 422
        assert scoped.ask("PATCH", "/tasks/1", {"owner_id": None}).status_code == 422
        assert scoped.ask("PATCH", "/tasks/1", {"owner_id": 1, "title": "y"}).status_code == 200

    def test_rows_of_others_are_not_there(self, scoped: Scoped) -> None:
        assert scoped.ask("PATCH", "/tasks/2", {"title": "x"}).status_code == 404
        assert scoped.ask("PATCH", "/tasks/2", {}).status_code == 404
        assert scoped.ask("DELETE", "/tasks/2").status_code == 404
        assert scoped.ids("/tasks", user=2) == [2, 4]

    @pytest.mark.parametrize("field", ["project_id", "parent_id"])
    def test_a_foreign_key_names_a_row_inside(self, scoped: Scoped, field: str) -> None:
        for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/1")):
            outside = scoped.ask(method, url, {"title": "x", field: 2})
            missing = scoped.ask(method, url, {"title": "x", field: 99})
            assert (outside.status_code, missing.status_code) == (409, 409)
            assert outside.json()["detail"] == missing.json()["detail"]
        inside = scoped.ask("POST", "/tasks", {"title": "x", "project_id": 1, "parent_id": 1})
        assert inside.status_code == 201

    def test_batches(self, scoped: Scoped) -> None:
        created = scoped.ask("POST", "/tasks:batch", [{"title": "x"}, {"title": "y"}])
        assert [row["owner_id"] for row in created.json()] == [1, 1]
        outside = [{"title": "x"}, {"title": "y", "project_id": 2}]
        assert scoped.ask("POST", "/tasks:batch", outside).status_code == 409
        change = [{"id": 1, "title": "x"}, {"id": 2, "title": "x"}]
        assert scoped.ask("PATCH", "/tasks:batch", change).status_code == 404
        assert scoped.ask("DELETE", "/tasks:batch?key=1&key=2").status_code == 404
        assert scoped.ids("/tasks?title=Mine") == [1]

    def test_links(self, scoped: Scoped) -> None:
        assert scoped.ask("PUT", "/tasks/3/labels/1").status_code == 200
        assert scoped.ask("PUT", "/tasks/3/labels/2").status_code == 404
        assert scoped.ask("PUT", "/tasks/2/labels/1").status_code == 404
        assert scoped.ask("DELETE", "/tasks/1/labels/2").status_code == 404
        assert scoped.ask("PUT", "/tasks/2/workers/@ana").status_code == 404
        assert scoped.ids("/tasks/3/labels") == [1]


class TestTheDependency:
    def test_none_refuses(self, scoped: Scoped) -> None:
        for method, url, body in (
            ("GET", "/tasks", None),
            ("GET", "/tasks/1", None),
            ("POST", "/tasks", {"title": "x"}),
            ("PATCH", "/tasks/1", {"title": "x"}),
            ("DELETE", "/tasks/1", None),
            ("DELETE", "/tasks:batch?key=1", None),
            ("GET", "/tasks/1/labels", None),
            ("PUT", "/tasks/1/labels/1", None),
            ("GET", "/tasks/own", None),
        ):
            answer = scoped.client.request(method, url, json=body)
            assert answer.status_code == 403, url

    def test_what_it_raises_is_the_apps(self, scoped: Scoped) -> None:
        answer = scoped.ask("GET", "/tasks", user=0)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Who are you?"})

    def test_an_override_is_honoured(self, scoped: Scoped) -> None:
        scoped.app.dependency_overrides[owned] = lambda: {"owner_id": 2}
        assert scoped.ids("/tasks") == [2, 4]

    def test_a_value_of_none_refuses(self, scoped: Scoped) -> None:
        scoped.app.dependency_overrides[owned] = lambda: {"owner_id": None}
        assert scoped.ask("GET", "/tasks").status_code == 403

    def test_a_field_that_is_not_there_is_a_mistake(self, scoped: Scoped) -> None:
        scoped.app.dependency_overrides[owned] = lambda: {"owner": 1}
        with pytest.raises(ModelError, match="names 'owner'"):
            scoped.ask("GET", "/tasks")

    def test_an_endpoint_elsewhere_says_so(self, scoped: Scoped) -> None:
        @scoped.app.get("/bare")
        async def bare(query: Annotated[Page, Depends(scoped.tasks.query)]) -> Response:
            return await scoped.tasks.answer(query)

        @scoped.app.get("/with", dependencies=scoped.tasks.scopes)
        async def with_scopes(query: Annotated[Page, Depends(scoped.tasks.query)]) -> Response:
            return await scoped.tasks.answer(query)

        with pytest.raises(ModelError, match=r"dependencies=tasks\.scopes"):
            scoped.ask("GET", "/bare")
        assert scoped.ids("/with") == [1, 3, 5, 6]


class TestConditions:
    """A scope that is a condition."""

    @pytest.fixture
    def shared(self, db: Database, models: SimpleNamespace, store: Any) -> Iterator[Scoped]:
        store(
            models.Task(id=1, title="public"),
            models.Task(id=2, title="mine", owner_id=1),
            models.Task(id=3, title="theirs", owner_id=2),
        )
        task = models.Task

        def visible(user: User = None) -> Any:
            return col(task.owner_id).is_(None) | (col(task.owner_id) == user)

        with serving(Resource(task, db, include=INCLUDE, scope=visible)) as client:
            yield Scoped(client=client)

    def test_reading(self, shared: Scoped) -> None:
        assert shared.ids("/tasks") == [1, 2]
        assert shared.ids("/tasks", user=2) == [1, 3]
        assert shared.ask("GET", "/tasks/3").status_code == 404

    def test_a_write_that_would_leave_is_undone(self, shared: Scoped) -> None:
        assert shared.ask("POST", "/tasks", {"title": "x", "owner_id": 2}).status_code == 422
        assert shared.ask("PATCH", "/tasks/2", {"owner_id": 2}).status_code == 422
        assert shared.ids("/tasks", user=2) == [1, 3]
        assert shared.ask("POST", "/tasks", {"title": "x", "owner_id": 1}).status_code == 201
        assert shared.ask("PATCH", "/tasks/2", {"owner_id": None}).status_code == 200
        batch = [{"title": "x"}, {"title": "y", "owner_id": 2}]
        assert shared.ask("POST", "/tasks:batch", batch).status_code == 422
        assert shared.ids("/tasks", user=2) == [1, 2, 3]

    def test_foreign_keys(self, shared: Scoped) -> None:
        assert shared.ask("POST", "/tasks", {"title": "x", "parent_id": 3}).status_code == 409
        assert shared.ask("POST", "/tasks", {"title": "x", "parent_id": 2}).status_code == 201


class TestDeclaring:
    def test_a_table_has_one_scope(self, db: Database) -> None:
        models = define()
        Resource(models.Task, db, scope=owned)
        Resource(models.Task, db, scope=owned, prefix="/again")
        with pytest.raises(ModelError, match="already has a scope"):
            Resource(models.Task, db, scope=lambda: {"owner_id": 1}, prefix="/other")

    def test_another_resource_of_the_table_shares_it(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x", owner_id=1), models.Task(id=2, title="y", owner_id=2))
        first = Resource(models.Task, db, scope=owned)
        second = Resource(models.Task, db, prefix="/shared")
        third = Resource(models.Task, db, prefix="/all", scope=Unscoped)
        with serving(second, first, third) as client:
            scoped = Scoped(client=client)
            assert scoped.ids("/shared") == [1]
            assert scoped.ids("/all") == [1, 2]
            assert scoped.ask("PATCH", "/all/2", {"title": "z"}).status_code == 200

    def test_a_scope_that_comes_too_late(self, db: Database, models: SimpleNamespace) -> None:
        late = pytest.raises(ModelError, match="after the Resource of Task was built")
        with serving(Resource(models.Task, db, include=["project"])), late:
            Resource(models.Project, db, scope=owned)

    def test_the_order_of_resources_does_not_matter_before_they_are_included(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Project(id=1, name="A", slug="a", owner_id=2))
        store(models.Task(id=1, title="x", project_id=1))
        tasks = Resource(models.Task, db, include=["project"])
        projects = Resource(models.Project, db, scope=owned)
        with serving(tasks, projects) as client:
            scoped = Scoped(client=client)
            assert scoped.ask("GET", "/tasks/1?include=project").json()["project"] is None
