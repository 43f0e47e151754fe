"""Scopes: which rows a request may access, through any table (DESIGN, 2)."""

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Annotated, Any, Optional

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Response
from fastapi.testclient import TestClient
from sqlalchemy import ForeignKeyConstraint

from colonnade import (
    Database,
    Field,
    Page,
    Problem,
    Relationship,
    Resource,
    Session,
    SQLModel,
    Unscoped,
    col,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import INCLUDE, define_models, serving

User = Annotated[int | None, Header(alias="User")]


def owned(user: User = None) -> dict[str, Any] | None:
    """Allow the rows of the user; deny access without a user."""
    if user == 0:
        raise HTTPException(401, "Who are you?")
    return None if user is None else {"owner_id": user}


class ScopedApp(SimpleNamespace):
    """An app whose tasks, projects and labels belong to users 1 and 2."""

    client: TestClient
    tasks: Resource
    app: FastAPI

    def ids(self, url: str, user: int = 1) -> list[Any]:
        response = self.client.get(url, headers={"User": str(user)})
        assert response.status_code == 200, response.text
        return [row["id"] for row in response.json()]

    def request(self, method: str, url: str, json: Any = None, user: int = 1) -> Any:
        return self.client.request(method, url, json=json, headers={"User": str(user)})


@pytest.fixture
def scoped(db: Database, models: SimpleNamespace, store: Any) -> Iterator[ScopedApp]:
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
    async def tasks_with_project(query: Annotated[Page, Depends(tasks.query)]) -> Response:
        return await tasks.answer(query.where(col(models.Task.project_id).is_not(None)))

    for resource in (tasks, projects, labels, workers):
        app.include_router(resource)
    with TestClient(app) as client:
        yield ScopedApp(client=client, tasks=tasks, app=app, models=models)


class TestReading:
    def test_lists_and_counts_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.ids("/tasks") == [1, 3, 5, 6]
        assert scoped.ids("/tasks", user=2) == [2, 4]
        response = scoped.request("GET", "/tasks?count=exact&limit=1")
        assert response.headers["X-Total-Count"] == "4"
        following = scoped.request("GET", response.links["next"]["url"])
        assert following.json()[0]["id"] == 3

    def test_no_parameter_overrides_the_scope(self, scoped: ScopedApp) -> None:
        assert scoped.ids("/tasks?owner_id=2") == []
        assert scoped.ids('/tasks?where={"or":[{"owner_id":2},{"owner_id":1}]}') == [1, 3, 5, 6]

    def test_single_rows_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.request("GET", "/tasks/1").status_code == 200
        assert scoped.request("GET", "/tasks/2").status_code == 404

    def test_a_to_one_include_out_of_scope_is_null(self, scoped: ScopedApp) -> None:
        assert scoped.request("GET", "/tasks/1?include=project").json()["project"]["id"] == 1
        assert scoped.request("GET", "/tasks/3?include=project").json()["project"] is None

    def test_included_lists_are_scoped(self, scoped: ScopedApp) -> None:
        task = scoped.request("GET", "/tasks/1?include=labels,subtasks").json()
        assert [label["id"] for label in task["labels"]] == [1]
        assert [row["id"] for row in task["subtasks"]] == [5]
        worker = scoped.request("GET", "/workers/@ana?include=assignments.task").json()
        assert worker["assignments"][0]["task"] is None

    def test_filters_across_relations_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.ids("/tasks?project__slug=theirs") == []
        assert scoped.ids("/tasks?labels__name=theirs") == []
        assert scoped.ids('/tasks?where={"not":{"project":{}}}') == [3, 5, 6]

    def test_lists_of_a_relation_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.ids("/tasks/1/labels") == [1]
        assert scoped.ids("/projects/1/tasks") == [1]
        assert scoped.request("GET", "/projects/2/tasks").status_code == 404

    def test_trees_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.ids("/tasks/1/subtasks?depth=all") == [
            5
        ]  # task 6 is below task 4 of another user
        assert scoped.request("GET", "/tasks/4/subtasks?depth=all").status_code == 404

    def test_custom_endpoints_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.ids("/tasks/own") == [1, 3]
        assert scoped.ids("/tasks/own?title=Mine") == [1]


class TestWriting:
    def test_a_new_row_gets_the_values_of_the_scope(self, scoped: ScopedApp) -> None:
        created = scoped.request("POST", "/tasks", {"title": "x"})
        assert (created.status_code, created.json()["owner_id"]) == (201, 1)
        assert scoped.request("POST", "/tasks", {"title": "x", "owner_id": 1}).status_code == 201
        refused = scoped.request("POST", "/tasks", {"title": "x", "owner_id": 2})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "owner_id"

    def test_an_update_cannot_leave_the_scope(self, scoped: ScopedApp) -> None:
        assert scoped.request("PATCH", "/tasks/1", {"owner_id": 2}).status_code == 422
        assert scoped.request("PATCH", "/tasks/1", {"owner_id": None}).status_code == 422
        assert scoped.request("PATCH", "/tasks/1", {"owner_id": 1, "title": "y"}).status_code == 200

    def test_rows_of_other_users_are_not_found(self, scoped: ScopedApp) -> None:
        assert scoped.request("PATCH", "/tasks/2", {"title": "x"}).status_code == 404
        assert scoped.request("PATCH", "/tasks/2", {}).status_code == 404
        assert scoped.request("DELETE", "/tasks/2").status_code == 404
        assert scoped.ids("/tasks", user=2) == [2, 4]

    @pytest.mark.parametrize("field", ["project_id", "parent_id"])
    def test_a_foreign_key_must_refer_to_a_row_in_scope(
        self, scoped: ScopedApp, field: str
    ) -> None:
        for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/1")):
            outside = scoped.request(method, url, {"title": "x", field: 2})
            missing = scoped.request(method, url, {"title": "x", field: 99})
            assert (outside.status_code, missing.status_code) == (409, 409)
            assert outside.json()["detail"] == missing.json()["detail"]
        inside = scoped.request("POST", "/tasks", {"title": "x", "project_id": 1, "parent_id": 1})
        assert inside.status_code == 201

    def test_batches_are_scoped(self, scoped: ScopedApp) -> None:
        created = scoped.request("POST", "/tasks:batch", [{"title": "x"}, {"title": "y"}])
        assert [row["owner_id"] for row in created.json()] == [1, 1]
        outside = [{"title": "x"}, {"title": "y", "project_id": 2}]
        assert scoped.request("POST", "/tasks:batch", outside).status_code == 409
        change = [{"id": 1, "title": "x"}, {"id": 2, "title": "x"}]
        assert scoped.request("PATCH", "/tasks:batch", change).status_code == 404
        assert scoped.request("DELETE", "/tasks:batch?key=1&key=2").status_code == 404
        assert scoped.ids("/tasks?title=Mine") == [1]

    def test_a_batch_with_a_reference_out_of_scope_creates_no_row(self, scoped: ScopedApp) -> None:
        batch = [{"title": "x"}, {"title": "y", "project_id": 1}, {"title": "z", "project_id": 2}]
        assert scoped.request("POST", "/tasks:batch", batch).status_code == 409
        assert scoped.ids("/tasks") == [1, 3, 5, 6]

    def test_a_batch_names_a_missing_row_before_a_later_row_that_leaves_the_scope(
        self, scoped: ScopedApp
    ) -> None:
        changes = [{"id": 2, "title": "x"}, {"id": 1, "owner_id": 2}]
        assert scoped.request("PATCH", "/tasks:batch", changes).status_code == 404
        assert scoped.request("PATCH", "/tasks:batch", changes[::-1]).status_code == 422

    def test_links_are_scoped(self, scoped: ScopedApp) -> None:
        assert scoped.request("PUT", "/tasks/3/labels/1").status_code == 200
        assert scoped.request("PUT", "/tasks/3/labels/2").status_code == 404
        assert scoped.request("PUT", "/tasks/2/labels/1").status_code == 404
        assert scoped.request("DELETE", "/tasks/1/labels/2").status_code == 404
        assert scoped.request("PUT", "/tasks/2/workers/@ana").status_code == 404
        assert scoped.ids("/tasks/3/labels") == [1]


class TestDependency:
    def test_none_denies_access(self, scoped: ScopedApp) -> None:
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
            response = scoped.client.request(method, url, json=body)
            assert response.status_code == 403, url

    def test_exceptions_of_the_dependency_keep_their_format(self, scoped: ScopedApp) -> None:
        response = scoped.request("GET", "/tasks", user=0)
        assert (response.status_code, response.json()) == (401, {"detail": "Who are you?"})

    def test_the_dependency_can_be_overridden(self, scoped: ScopedApp) -> None:
        scoped.app.dependency_overrides[owned] = lambda: {"owner_id": 2}
        assert scoped.ids("/tasks") == [2, 4]

    def test_a_value_of_none_denies_access(self, scoped: ScopedApp) -> None:
        scoped.app.dependency_overrides[owned] = lambda: {"owner_id": None}
        assert scoped.request("GET", "/tasks").status_code == 403

    def test_an_unknown_field_is_an_error(self, scoped: ScopedApp) -> None:
        scoped.app.dependency_overrides[owned] = lambda: {"owner": 1}
        with pytest.raises(ModelError, match="names unknown fields: 'owner'"):
            scoped.request("GET", "/tasks")

    def test_an_endpoint_elsewhere_must_depend_on_the_scopes(self, scoped: ScopedApp) -> None:
        @scoped.app.get("/without_scopes")
        async def without_scopes(query: Annotated[Page, Depends(scoped.tasks.query)]) -> Response:
            return await scoped.tasks.answer(query)

        @scoped.app.get("/with", dependencies=scoped.tasks.scopes)
        async def with_scopes(query: Annotated[Page, Depends(scoped.tasks.query)]) -> Response:
            return await scoped.tasks.answer(query)

        with pytest.raises(ModelError, match=r"dependencies=tasks\.scopes"):
            scoped.request("GET", "/without_scopes")
        assert scoped.ids("/with") == [1, 3, 5, 6]


class TestConditions:
    """A scope that is a condition."""

    @pytest.fixture
    def shared(self, db: Database, models: SimpleNamespace, store: Any) -> Iterator[ScopedApp]:
        store(
            models.Task(id=1, title="public"),
            models.Task(id=2, title="mine", owner_id=1),
            models.Task(id=3, title="theirs", owner_id=2),
        )
        task = models.Task

        def visible(user: User = None) -> Any:
            return col(task.owner_id).is_(None) | (col(task.owner_id) == user)

        with serving(Resource(task, db, include=INCLUDE, scope=visible)) as client:
            yield ScopedApp(client=client)

    def test_reads_are_scoped(self, shared: ScopedApp) -> None:
        assert shared.ids("/tasks") == [1, 2]
        assert shared.ids("/tasks", user=2) == [1, 3]
        assert shared.request("GET", "/tasks/3").status_code == 404

    def test_a_write_that_would_leave_the_scope_is_rolled_back(self, shared: ScopedApp) -> None:
        assert shared.request("POST", "/tasks", {"title": "x", "owner_id": 2}).status_code == 422
        assert shared.request("PATCH", "/tasks/2", {"owner_id": 2}).status_code == 422
        assert shared.ids("/tasks", user=2) == [1, 3]
        assert shared.request("POST", "/tasks", {"title": "x", "owner_id": 1}).status_code == 201
        assert shared.request("PATCH", "/tasks/2", {"owner_id": None}).status_code == 200
        batch = [{"title": "x"}, {"title": "y", "owner_id": 2}]
        assert shared.request("POST", "/tasks:batch", batch).status_code == 422
        assert shared.ids("/tasks", user=2) == [1, 2, 3]

    def test_foreign_keys_are_scoped(self, shared: ScopedApp) -> None:
        assert shared.request("POST", "/tasks", {"title": "x", "parent_id": 3}).status_code == 409
        assert shared.request("POST", "/tasks", {"title": "x", "parent_id": 2}).status_code == 201


class TestDeclaration:
    def test_a_table_has_one_scope(self, db: Database) -> None:
        models = define_models()
        Resource(models.Task, db, scope=owned)
        Resource(models.Task, db, scope=owned, prefix="/again")
        with pytest.raises(ModelError, match="already has a scope"):
            Resource(models.Task, db, scope=lambda: {"owner_id": 1}, prefix="/other")

    def test_all_resources_of_a_table_share_its_scope(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x", owner_id=1), models.Task(id=2, title="y", owner_id=2))
        first = Resource(models.Task, db, scope=owned)
        second = Resource(models.Task, db, prefix="/shared")
        third = Resource(models.Task, db, prefix="/all", scope=Unscoped)
        with serving(second, first, third) as client:
            scoped = ScopedApp(client=client)
            assert scoped.ids("/shared") == [1]
            assert scoped.ids("/all") == [1, 2]
            assert scoped.request("PATCH", "/all/2", {"title": "z"}).status_code == 200

    def test_a_scope_must_be_declared_before_a_resource_is_built(
        self, db: Database, models: SimpleNamespace
    ) -> None:
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
            scoped = ScopedApp(client=client)
            assert scoped.request("GET", "/tasks/1?include=project").json()["project"] is None


class TestSpecialCases:
    def test_scopes_of_tables_with_similar_names_stay_separate(
        self, db: Database, store: Any
    ) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            member_id: int

        class TeamMember(SQLModel, table=True):
            __tablename__ = "team_member"
            id: int | None = Field(default=None, primary_key=True)
            team_id: int | None = Field(default=None, foreign_key="team.id")
            team: Team | None = Relationship()

        db.create_all()
        store(Team(id=1, member_id=7), Team(id=2, member_id=8))
        store(TeamMember(id=3, team_id=2), TeamMember(id=7, team_id=1))
        teams = Resource(Team, db, scope=lambda: {"member_id": 7})
        members = Resource(TeamMember, db, include=["team"], scope=lambda: {"id": 3})
        with serving(teams, members) as client:
            assert [row["id"] for row in client.get("/team-members").json()] == [3]
            assert client.get("/team-members?include=team").json()[0]["team"] is None
            assert client.patch("/team-members/3", json={"team_id": 2}).status_code == 409
            assert client.patch("/team-members/3", json={"team_id": 1}).status_code == 200

    def test_a_boolean_column_can_be_a_scope(self, db: Database, store: Any) -> None:
        class Post(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            public: bool

        db.create_all()
        store(Post(public=True), Post(public=False))
        with serving(Resource(Post, db, scope=lambda: Post.public)) as client:
            assert client.get("/posts").json() == [{"id": 1, "public": True}]

    def test_a_field_of_the_scope_is_optional_in_the_body(self, db: Database) -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int
            text: str

        db.create_all()
        with serving(Resource(Note, db, scope=lambda: {"owner_id": 1})) as client:
            created = client.post("/notes", json={"text": "x"})
            assert (created.status_code, created.json()["owner_id"]) == (201, 1)
            assert client.post("/notes:batch", json=[{"text": "y"}]).status_code == 201
            assert client.post("/notes", json={"text": "x", "owner_id": 2}).status_code == 422

    def test_an_update_of_part_of_a_foreign_key_is_scoped(self, db: Database, store: Any) -> None:
        class Doc(SQLModel, table=True):
            tenant: int = Field(primary_key=True)
            id: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
            owner_id: int

        class Mark(SQLModel, table=True):
            __table_args__ = (ForeignKeyConstraint(["tenant", "doc_id"], ["doc.tenant", "doc.id"]),)
            id: int | None = Field(default=None, primary_key=True)
            tenant: int | None = None
            doc_id: int | None = None

        db.create_all()
        with db.session() as session:
            session.add_all([Doc(tenant=1, id=1, owner_id=1), Doc(tenant=1, id=2, owner_id=2)])
            session.commit()
        store(Mark(id=1, tenant=1, doc_id=1), Mark(id=2))
        docs = Resource(Doc, db, scope=lambda: {"owner_id": 1})
        with serving(docs, Resource(Mark, db)) as client:
            for change in ({"tenant": 1, "doc_id": 2}, {"doc_id": 2}):
                assert client.patch("/marks/1", json=change).status_code == 409
                assert client.patch("/marks:batch", json=[{"id": 1, **change}]).status_code == 409
            assert client.patch("/marks/1", json={"doc_id": 1}).status_code == 200
            assert client.patch("/marks/1", json={"doc_id": None}).status_code == 200
            assert (
                client.patch("/marks/2", json={"doc_id": 2}).status_code == 200
            )  # tenant is null, so the key refers to no row

    def test_a_tree_reveals_nothing_about_rows_outside_the_scope(
        self, db: Database, store: Any
    ) -> None:
        class Cat(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int
            parent_id: int | None = Field(default=None, foreign_key="cat.id")

        db.create_all()
        store(Cat(id=1, owner_id=2), Cat(id=10, owner_id=1))
        store(Cat(id=2, owner_id=2, parent_id=1), Cat(id=4, owner_id=2, parent_id=10))
        with serving(Resource(Cat, db, scope=lambda: {"owner_id": 1})) as client:
            assert client.patch("/cats/1", json={"parent_id": 2}).status_code == 404
            for parent in (1, 4, 99):
                response = client.patch("/cats/10", json={"parent_id": parent})
                assert response.json()["type"] == "urn:colonnade:foreign_key"

    def test_hooks_are_not_called_for_rows_outside_the_scope(
        self, db: Database, store: Any
    ) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int = 1

        db.create_all()
        store(Row(id=1, owner_id=2))
        rows = Resource(Row, db, scope=lambda: {"owner_id": 1})
        seen: list[Any] = []

        @rows.before("delete")
        def before_delete(session: Session, key: Any) -> None:
            seen.append(key)

        @rows.before("update")
        def before_update(session: Session, values: Any) -> None:
            seen.append(values)

        with serving(rows) as client:
            for key in (1, 99):
                assert client.delete(f"/rows/{key}").status_code == 404
                assert client.delete(f"/rows:batch?key={key}").status_code == 404
                assert client.patch(f"/rows/{key}", json={}).status_code == 404
        assert seen == []

    def test_a_hook_after_a_write_cannot_leave_the_scope(self, db: Database, store: Any) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int = 1

        db.create_all()
        store(Row(id=1))
        rows = Resource(Row, db, scope=lambda: {"owner_id": 1})

        @rows.after("create")
        @rows.after("update")
        def give_away(session: Session, row: Any) -> None:
            row.owner_id = 2

        with serving(rows) as client:
            for response in (client.post("/rows", json={}), client.patch("/rows/1", json={})):
                assert (response.status_code, response.json()["type"]) == (
                    422,
                    "urn:colonnade:scope",
                )
            assert client.get("/rows").json() == [{"id": 1, "owner_id": 1}]

    @pytest.mark.slow
    def test_an_endpoint_added_later_is_scoped(self, db: Database, store: Any) -> None:
        class Row(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner_id: int = 1

        db.create_all()
        store(Row(id=1), Row(id=2, owner_id=2))
        rows = Resource(Row, db, scope=lambda: {"owner_id": 1})
        app = FastAPI()
        app.include_router(rows)

        @rows.get("/late")
        async def late(query: Annotated[Page, Depends(rows.query)]) -> Any:
            return await rows.answer(query)

        with TestClient(app) as client:
            assert [row["id"] for row in client.get("/rows/late").json()] == [1]


def logged_in(user: User = None) -> int:
    """Require a user; user 9 is banned, and user 8 sends a bad request."""
    if user is None:
        raise HTTPException(401, "Log in first", {"WWW-Authenticate": "Bearer"})
    if user == 9:
        raise Problem(403, "You are banned", kind="banned")
    if user == 8:
        raise HTTPException(400, "Bad user")
    return user


def own_rows(user: Annotated[int, Depends(logged_in)]) -> dict[str, int]:
    return {"owner_id": user}


class TestErrors:
    """Tasks are public; their projects and labels belong to users, who must log in."""

    @pytest.fixture
    def public(self, db: Database, models: SimpleNamespace, store: Any) -> Iterator[ScopedApp]:
        store(models.Project(id=1, name="A", slug="a", owner_id=1))
        store(models.Label(id=1, name="A", owner_id=1))
        store(models.Task(id=1, title="x", project_id=1), models.Task(id=2, title="y", parent_id=1))
        store(models.TaskLabel(task_id=1, label_id=1))

        # The models are variables, which mypy does not accept as types.
        class TaskWithProject(models.Task, schema="read"):  # type: ignore[name-defined, misc, call-arg]
            project: Optional[models.Project]  # type: ignore[name-defined]  # a variable

        tasks = Resource(models.Task, db, include=INCLUDE)
        detailed = Resource(models.Task, db, read=TaskWithProject, prefix="/detailed")
        projects = Resource(models.Project, db, include=["tasks"], scope=own_rows)
        labels = Resource(models.Label, db, scope=own_rows)
        app = FastAPI()

        @tasks.get("/titles")
        async def titles(query: Annotated[Page, Depends(tasks.query)]) -> Response:
            return await tasks.answer(query)

        for resource in (tasks, detailed, projects, labels):
            app.include_router(resource)
        with TestClient(app) as client:
            yield ScopedApp(client=client, app=app, models=models)

    def test_the_own_resource_answers_with_the_error(self, public: ScopedApp) -> None:
        for method, url, body in (
            ("GET", "/projects", None),
            ("GET", "/projects/1", None),
            ("GET", "/projects/1/tasks", None),
            ("POST", "/projects", {"name": "B", "slug": "b"}),
            ("PATCH", "/projects/1", {"name": "B"}),
            ("DELETE", "/projects/1", None),
        ):
            response = public.client.request(method, url, json=body)
            assert (response.status_code, response.json()["detail"]) == (401, "Log in first")
            assert response.headers["WWW-Authenticate"] == "Bearer"
        banned = public.request("GET", "/projects", user=9)
        assert (banned.status_code, banned.json()["type"]) == (403, "urn:colonnade:banned")

    @pytest.mark.parametrize("user", [None, 9])
    def test_other_resources_have_no_rows_of_the_table(
        self, public: ScopedApp, user: int | None
    ) -> None:
        headers = {} if user is None else {"User": str(user)}
        for url in ("/tasks", "/tasks/titles", "/tasks?include=subtasks&title=x"):
            response = public.client.get(url, headers=headers)
            assert (response.status_code, response.json()[0]["id"]) == (200, 1)
        assert public.client.get("/tasks/1", headers=headers).status_code == 200
        assert public.client.get("/tasks/1/subtasks?depth=all", headers=headers).status_code == 200
        for url in ("/detailed/1", "/detailed?id=1"):
            response = public.client.get(url, headers=headers).json()
            row = response if isinstance(response, dict) else response[0]
            assert row["project"] is None
        assert public.request("GET", "/detailed/1", user=1).json()["project"]["id"] == 1

    @pytest.mark.parametrize(
        "url",
        [
            "/tasks?include=project",
            "/tasks?include=subtasks,labels:5",
            "/tasks?include=subtasks&include=project",
            "/tasks/1?include=project",
            "/tasks/1/subtasks?depth=all&include=labels",
            "/tasks/1/labels",
            "/tasks?project__name=A",
            '/tasks?where={"or":[{"title":"x"},{"not":{"labels":{}}}]}',
            "/tasks/titles?include=project",
            "/detailed?include=project",
        ],
    )
    def test_a_request_that_names_the_table_answers_with_the_error(
        self, public: ScopedApp, url: str
    ) -> None:
        response = public.client.get(url)
        assert (response.status_code, response.json()["detail"]) == (401, "Log in first")
        assert response.headers["WWW-Authenticate"] == "Bearer"
        banned = public.request("GET", url, user=9)
        assert (banned.status_code, banned.json()["type"]) == (403, "urn:colonnade:banned")
        assert public.request("GET", url, user=1).status_code == 200

    def test_a_link_to_the_table_answers_with_the_error(self, public: ScopedApp) -> None:
        for method in ("PUT", "DELETE"):
            assert public.client.request(method, "/tasks/2/labels/1").status_code == 401
            assert public.request(method, "/tasks/2/labels/1").status_code == 200

    def test_a_link_table_is_named_by_the_path_of_its_relation(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Task(id=1, title="x"), models.Worker(id="@ana"))
        store(models.Assignment(task_id=1, worker_id="@ana"))

        def own_assignments(user: Annotated[int, Depends(logged_in)]) -> dict[str, str]:
            return {"role": "assignee"}

        Resource(models.Assignment, db, scope=own_assignments)
        with serving(Resource(models.Task, db, include=["workers"])) as client:
            assert client.get("/tasks").status_code == 200
            for method, url in (
                ("GET", "/tasks?include=workers"),
                ("GET", "/tasks/1/workers"),
                ("PUT", "/tasks/1/workers/@ana"),
                ("DELETE", "/tasks/1/workers/@ana"),
            ):
                assert client.request(method, url).status_code == 401
                assert client.request(method, url, headers={"User": "1"}).status_code == 200

    def test_a_foreign_key_to_the_table_refers_to_no_row(self, public: ScopedApp) -> None:
        for method, url in (("POST", "/tasks"), ("PATCH", "/tasks/2")):
            body = {"title": "z", "project_id": 1}
            refused = public.client.request(method, url, json=body)
            assert (refused.status_code, refused.json()["type"]) == (
                409,
                "urn:colonnade:foreign_key",
            )
            assert public.request(method, url, body).is_success
        assert public.client.post("/tasks", json={"title": "z"}).status_code == 201

    def test_other_errors_pass_through(self, public: ScopedApp) -> None:
        assert public.request("GET", "/tasks", user=8).status_code == 400
        assert public.client.get("/tasks", headers={"User": "x"}).status_code == 422

        def fail() -> None:
            raise RuntimeError("broken")

        public.app.dependency_overrides[logged_in] = fail
        with pytest.raises(RuntimeError, match="broken"):
            public.client.get("/tasks")

    def test_an_override_may_raise(self, public: ScopedApp) -> None:
        def refuse() -> None:
            raise HTTPException(403, "No")

        for dependency in (own_rows, logged_in):
            public.app.dependency_overrides = {dependency: refuse}
            assert public.request("GET", "/tasks").status_code == 200
            assert public.request("GET", "/tasks?include=project").json() == {"detail": "No"}
            assert public.request("GET", "/projects").status_code == 403
        public.app.dependency_overrides = {logged_in: lambda: 1}
        assert public.client.get("/tasks?include=project").json()[0]["project"]["id"] == 1

    def test_a_response_without_the_rows_is_private(self, public: ScopedApp) -> None:
        response = public.client.get("/tasks")
        assert response.headers["Cache-Control"] == "private"
        assert "user" in response.headers["Vary"].lower()

    def test_the_parameters_of_the_scope_are_documented(self, public: ScopedApp) -> None:
        operation = public.app.openapi()["paths"]["/tasks"]["get"]
        assert "User" in {parameter.get("name") for parameter in operation["parameters"]}


class TestSharedDependencies:
    """Dependencies that a scope has in common with others of a route."""

    def test_a_dependency_is_solved_once_for_all(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        calls: list[str] = []

        def session() -> Iterator[str]:
            calls.append("opened")
            yield "session"
            calls.append("closed")

        def member(session: Annotated[str, Depends(session)]) -> int:
            calls.append("member")
            return 1

        def of_project(member: Annotated[int, Depends(member)]) -> dict[str, int]:
            return {"owner_id": member}

        def of_label(
            member: Annotated[int, Depends(member)], team: Annotated[str, Depends(lambda: "")]
        ) -> dict[str, int]:
            return {"owner_id": member}

        tasks = Resource(models.Task, db, include=INCLUDE)
        app = FastAPI()

        @tasks.get("/mine")
        async def mine(
            query: Annotated[Page, Depends(tasks.query)], member: Annotated[int, Depends(member)]
        ) -> Response:
            return await tasks.answer(query)

        Resource(models.Project, db, scope=of_project)
        Resource(models.Label, db, scope=of_label)
        app.include_router(tasks, dependencies=[Depends(member)])
        with TestClient(app) as client:
            for url in ("/tasks", "/tasks/mine", "/tasks?include=project"):
                calls.clear()
                assert client.get(url).status_code == 200
                assert calls == ["opened", "member", "closed"], url

    def test_a_scope_that_yields_is_closed_after_the_request(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        events: list[str] = []

        def connection() -> Iterator[None]:
            events.append("opened")
            yield
            events.append("closed")

        async def refused(
            connection: Annotated[None, Depends(connection)],
        ) -> AsyncIterator[None]:
            raise HTTPException(403)
            yield

        Resource(models.Project, db, scope=refused)
        with serving(Resource(models.Task, db, include=["project"])) as client:
            assert client.get("/tasks").status_code == 200
        assert events == ["opened", "closed"]

    def test_a_scope_may_set_headers_and_add_background_tasks(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        events: list[str] = []

        def refused(response: Response, background: BackgroundTasks) -> None:
            response.headers["X-Scope"] = "refused"
            background.add_task(events.append, "done")
            raise HTTPException(403)

        Resource(models.Project, db, scope=refused)
        tasks = Resource(models.Task, db, include=["project"])

        @tasks.get("/count")
        async def count() -> int:
            return 0

        with serving(tasks) as client:
            assert client.get("/tasks/count").headers["X-Scope"] == "refused"
        assert events == ["done"]

    def test_a_guard_that_raises_is_the_answer(self, db: Database, models: SimpleNamespace) -> None:
        Resource(models.Project, db, scope=own_rows)
        guarded = [Depends(logged_in)]
        with serving(
            Resource(models.Task, db, include=["project"], dependencies=guarded)
        ) as client:
            assert client.get("/tasks").status_code == 401
