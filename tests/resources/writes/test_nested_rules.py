"""What the Resource of a related table decides: operations, guards, scope, schemas, and hooks."""

from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from pydantic import model_validator
from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.exc import DBAPIError

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Problem,
    Relationship,
    Resource,
    Session,
    SQLModel,
    col,
    select,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import serving
from tests.resources.writes.nested_app import everything, refusal

pytestmark = pytest.mark.slow  # hundreds of apps, which take minutes together

User = Annotated[int, Header()]


def by(user: int) -> dict[str, str]:
    """Return the headers of a user."""
    return {"User": str(user)}


def conflict() -> DBAPIError:
    """Build the error of a transaction that conflicts with another, and is retried."""
    cause: Any = Exception("database is locked")
    cause.sqlstate = "40001"
    return DBAPIError("", None, cause)


class TestOperations:
    VERBS: tuple[tuple[str, Any, str], ...] = (
        ("create", [{"title": "X"}], "create"),
        ("connect", [2], "update"),
        ("disconnect", [1], "update"),
        ("set", [], "update"),
        ("update", [{"id": 1, "title": "X"}], "update"),
        ("upsert", [{"title": "X"}], "create"),
        ("delete", [1], "delete"),
    )

    @pytest.mark.usefixtures("sample_rows")
    @pytest.mark.parametrize(("verb", "argument", "operation"), VERBS)
    def test_an_operation_that_the_child_lacks_is_refused(
        self, db: Database, models: SimpleNamespace, verb: str, argument: Any, operation: str
    ) -> None:
        tasks = Resource(models.Task, db, operations={"list", "read"})
        with serving(tasks, Resource(models.Project, db, nested={"tasks": tasks})) as client:
            before = everything(client, "/tasks", "/projects")
            response = client.patch("/projects/1", json={"name": "X", "tasks": {verb: argument}})
            assert refusal(response) == (422, ["body", "tasks", verb])
            assert f"does not allow {operation}" in response.json()["detail"]
            assert everything(client, "/tasks", "/projects") == before

    @pytest.mark.usefixtures("sample_rows")
    @pytest.mark.parametrize(("verb", "argument", "operation"), VERBS)
    def test_an_endpoint_that_replaces_the_operation_of_the_child_is_not_bypassed(
        self, db: Database, models: SimpleNamespace, verb: str, argument: Any, operation: str
    ) -> None:
        tasks = Resource(models.Task, db)

        @tasks.post("")
        def create() -> str:
            return "mine"

        @tasks.patch("/{number}")
        def update(number: int) -> str:
            return "mine"

        @tasks.delete("/{number}")
        def delete(number: int) -> str:
            return "mine"

        with serving(tasks, Resource(models.Project, db, nested={"tasks": tasks})) as client:
            response = client.patch("/projects/1", json={"tasks": {verb: argument}})
            assert refusal(response) == (422, ["body", "tasks", verb])
            assert f"does not allow {operation}" in response.json()["detail"]

    def test_links_need_the_link_operation(self, db: Database, models: SimpleNamespace) -> None:
        labels = Resource(models.Label, db)
        operations: Any = {"list", "read", "create", "update"}
        tasks = Resource(models.Task, db, nested={"labels": labels}, operations=operations)
        with serving(tasks, labels) as client:
            client.post("/labels", json={"name": "x"})
            response = client.post("/tasks", json={"title": "X", "labels": {"connect": [1]}})
            assert refusal(response) == (422, ["body", "labels", "connect"])
            response = client.post("/tasks", json={"title": "X", "labels": [{"name": "y"}]})
            assert refusal(response) == (422, ["body", "labels"])
            assert len(client.get("/labels").json()) == 1

    @pytest.mark.usefixtures("sample_rows")
    @pytest.mark.parametrize("method", ["PUT", "DELETE"])
    def test_an_endpoint_that_replaces_a_link_is_not_bypassed(
        self, db: Database, models: SimpleNamespace, method: str
    ) -> None:
        labels, workers = Resource(models.Label, db), Resource(models.Worker, db)
        nested = {"labels": labels, "workers": workers}
        tasks = Resource(models.Task, db, nested=nested, include=["labels"])

        @tasks.api_route("/{number}/labels/{label}", methods=[method])
        def link(number: int, label: int) -> str:
            return "mine"

        with serving(tasks, labels, workers) as client:
            for verb in "connect", "disconnect", "set":
                response = client.patch("/tasks/1", json={"labels": {verb: [1]}})
                assert refusal(response) == (422, ["body", "labels", verb])
            response = client.patch("/tasks/1", json={"workers": {"connect": ["@ana"]}})
            assert response.status_code == 200

    def test_a_parent_is_connected_without_an_operation_of_its_own(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        projects = Resource(models.Project, db, operations={"read", "create"})
        tasks = Resource(models.Task, db, nested={"project": projects})
        with serving(projects, tasks) as client:
            client.post("/projects", json={"name": "A", "slug": "a"})
            response = client.post("/tasks", json={"title": "X", "project": {"connect": 1}})
            assert response.status_code == 201
            assert client.patch("/tasks/1", json={"project": None}).status_code == 200
            response = client.patch("/tasks/1", json={"project": {"update": {"name": "B"}}})
            assert refusal(response) == (422, ["body", "project", "update"])


class TestWhatIsNested:
    def test_a_relation_that_is_not_named_cannot_be_written(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        with serving(tasks, projects) as client:
            response = client.post("/tasks", json={"title": "X", "labels": [{"name": "x"}]})
            assert refusal(response) == (422, ["body", "labels"])
            task = {"title": "X", "labels": [{"name": "x"}]}
            response = client.post("/projects", json={"name": "A", "slug": "a", "tasks": [task]})
            assert refusal(response) == (422, ["body", "tasks", 0, "labels"])
            response = client.patch("/projects:batch", json=[{"id": 1, "tasks": {"create": []}}])
            assert refusal(response) == (422, ["body", 0, "tasks"])

    @pytest.mark.parametrize(
        ("relation", "target", "message"),
        [
            ("tsks", "Task", "Did you mean"),
            ("tasks", "Label", "needs a Resource of Task"),
            ("name", "Task", "not a relation"),
        ],
    )
    def test_a_wrong_relation_or_resource_is_refused(
        self, db: Database, models: SimpleNamespace, relation: str, target: str, message: str
    ) -> None:
        nested = {relation: Resource(getattr(models, target), db)}
        projects = Resource(models.Project, db, nested=nested)
        with pytest.raises(ModelError, match=message):
            FastAPI().include_router(projects)

    def test_a_foreign_key_that_only_the_server_sets_cannot_be_nested(self, db: Database) -> None:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            members: list["Member"] = Relationship()

        class Member(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            team_id: int | None = Field(default=None, foreign_key="team.id", readonly=True)

        teams = Resource(Team, db, nested={"members": Resource(Member, db)})
        with pytest.raises(ModelError, match="team_id is read-only"):
            FastAPI().include_router(teams)


class TestProtectedFields:
    @pytest.fixture
    def teams(self, db: Database) -> Iterator[TestClient]:
        class Team(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            members: list["Member"] = Relationship(back_populates="team")

        class Member(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(default="c", frozen=True)
            rank: int = Field(default=1, readonly=True)
            password: str = Field(default="", secret=True)
            team_id: int | None = Field(default=None, foreign_key="team.id", frozen=True)
            team: Team | None = Relationship(back_populates="members")

        db.create_all()
        members = Resource(Member, db, nested={"team": lambda: teams})
        teams = Resource(Team, db, nested={"members": members})
        with serving(members, teams) as client:
            client.post("/teams", json={"members": [{"code": "x", "password": "p"}]})
            client.post("/members", json={})
            yield client

    def test_secret_fields_are_written_and_not_shown(self, db: Database, teams: TestClient) -> None:
        response = teams.post("/teams", json={"members": [{"password": "s3cret"}]})
        assert response.status_code == 201
        assert "s3cret" not in response.text
        assert "password" not in response.json()["members"][0]

    @pytest.mark.parametrize("field", ["code", "rank"])
    def test_frozen_and_readonly_fields_cannot_be_updated(
        self, teams: TestClient, field: str
    ) -> None:
        update = [{"id": 1, field: "2"}]
        response = teams.patch("/teams/1", json={"members": {"update": update}})
        assert refusal(response) == (422, ["body", "members", "update", 0, field])

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/teams/1", {"members": {"connect": [2]}}),
            ("/teams/1", {"members": {"disconnect": [1]}}),
            ("/teams/1", {"members": {"set": []}}),
            ("/members/1", {"team": {"connect": 1}}),
            ("/members/2", {"team": {"create": {}}}),
            ("/members/2", {"team": {"upsert": {}}}),
            ("/members/1", {"team": {"delete": True}}),
            ("/members/1", {"team": None}),
        ],
    )
    def test_a_frozen_foreign_key_cannot_be_changed(
        self, teams: TestClient, path: str, body: Any
    ) -> None:
        before = everything(teams, "/teams", "/members")
        response = teams.patch(path, json=body)
        status, loc = refusal(response)
        assert (status, loc[:2]) == (422, ["body", next(iter(body))])
        assert "team_id of Member cannot be changed" in response.json()["detail"]
        assert everything(teams, "/teams", "/members") == before

    def test_a_frozen_foreign_key_can_be_set_in_a_new_row(self, teams: TestClient) -> None:
        response = teams.patch("/teams/1", json={"members": {"create": [{}]}})
        assert response.status_code == 200
        assert teams.post("/members", json={"team": {"connect": 1}}).json()["team_id"] == 1
        assert teams.post("/members", json={"team": {}}).json()["team_id"] == 2
        assert teams.patch("/members/1", json={"team": {"upsert": {}}}).status_code == 200


class TestValidators:
    @pytest.fixture
    def trips(self, db: Database) -> Iterator[TestClient]:
        class Trip(SQLModel, table=True):
            id: int = Field(primary_key=True)
            legs: list["Leg"] = Relationship(back_populates="trip", passive_deletes="all")

        class Leg(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            start: int
            end: int
            trip_id: int = Field(foreign_key="trip.id")
            trip: Trip | None = Relationship(back_populates="legs")

            @model_validator(mode="after")
            def in_order(self) -> "Leg":
                if None not in (self.start, self.end) and self.start > self.end:
                    raise ValueError("ends before it starts")
                if self.trip_id == 2 and self.start > 5:
                    raise ValueError("trip 2 starts early")
                return self

        db.create_all()
        legs = Resource(Leg, db)
        with serving(legs, Resource(Trip, db, nested={"legs": legs})) as client:
            client.post(
                "/trips", json={"id": 1, "legs": [{"start": 1, "end": 2}, {"start": 7, "end": 9}]}
            )
            yield client

    def test_a_new_row_is_validated(self, trips: TestClient) -> None:
        legs = [{"start": 1, "end": 2}, {"start": 3, "end": 1}]
        response = trips.post("/trips", json={"id": 2, "legs": legs})
        assert refusal(response) == (422, ["body", "legs", 1])
        assert "ends before it starts" in response.json()["detail"]
        assert len(trips.get("/trips").json()) == 1

    def test_a_new_row_is_validated_with_its_foreign_key(self, trips: TestClient) -> None:
        legs = [{"start": 1, "end": 2}, {"start": 6, "end": 7}]
        response = trips.post("/trips", json={"id": 2, "legs": legs})
        assert refusal(response) == (422, ["body", "legs", 1])
        assert "trip 2 starts early" in response.json()["detail"]
        response = trips.patch("/trips/1", json={"legs": {"create": legs}})
        assert response.status_code == 200

    def test_an_update_is_validated_with_the_rest_of_the_row(self, trips: TestClient) -> None:
        before = everything(trips, "/legs")
        update = [{"id": 1, "end": 5}, {"id": 2, "end": 5}]
        response = trips.patch("/trips/1", json={"legs": {"update": update}})
        assert refusal(response) == (422, ["body", "legs", "update", 1])
        assert everything(trips, "/legs") == before
        update[1]["end"] = 10
        assert trips.patch("/trips/1", json={"legs": {"update": update}}).status_code == 200

    def test_a_rule_may_require_the_foreign_key_that_the_relation_sets(self, db: Database) -> None:
        class Owner(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            pets: list["Pet"] = Relationship(back_populates="owner")

        class Pet(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            chip: str | None = None
            owner_id: int | None = Field(default=None, foreign_key="owner.id")
            owner: Owner | None = Relationship(back_populates="pets")

            @model_validator(mode="after")
            def is_known(self) -> "Pet":
                if self.owner_id is None and self.chip is None:
                    raise ValueError("a pet without a chip needs an owner")
                return self

        db.create_all()
        pets = Resource(Pet, db, nested={"owner": lambda: owners})
        owners = Resource(Owner, db, nested={"pets": pets})
        with serving(owners, pets) as client:
            assert client.post("/pets", json={}).status_code == 422
            response = client.post("/owners", json={"pets": [{}, {"chip": "x"}]})
            assert response.status_code == 201, response.text
            assert client.post("/pets", json={"owner": {}}).status_code == 201
            response = client.patch("/owners/1", json={"pets": {"disconnect": [2, 1]}})
            assert refusal(response) == (422, ["body", "pets", "disconnect", 1])
            response = client.patch("/pets/1", json={"owner": None})
            assert refusal(response)[0] == 422

    def test_a_row_that_moves_is_validated_with_its_new_foreign_key(
        self, trips: TestClient
    ) -> None:
        response = trips.post("/trips", json={"id": 2, "legs": {"connect": [1, 2]}})
        assert refusal(response) == (422, ["body", "legs", "connect", 1])
        assert [leg["trip_id"] for leg in trips.get("/legs").json()] == [1, 1]


class TestScopes:
    """Users 1 and 2 each have projects and tasks."""

    @pytest.fixture(params=["mapping", "condition"])
    def scoped(
        self, db: Database, models: SimpleNamespace, store: Any, request: pytest.FixtureRequest
    ) -> Iterator[TestClient]:
        store(
            models.Project(id=1, name="Mine", slug="mine", owner_id=1),
            models.Project(id=2, name="Theirs", slug="theirs", owner_id=2),
        )
        store(
            models.Task(id=1, title="Mine", owner_id=1, project_id=1),
            models.Task(id=2, title="Theirs in mine", owner_id=2, project_id=1),
            models.Task(id=3, title="Mine in theirs", owner_id=1, project_id=2),
            models.Task(id=4, title="Mine alone", owner_id=1),
        )

        def own(model: Any) -> Any:
            def scope(user: User) -> Any:
                if user == 0:
                    return None
                is_mapping = request.param == "mapping"
                return {"owner_id": user} if is_mapping else col(model.owner_id) == user

            return scope

        tasks: Resource = Resource(
            models.Task, db, scope=own(models.Task),
            nested={"project": lambda: projects, "subtasks": lambda: tasks},
        )  # fmt: skip
        projects = Resource(models.Project, db, scope=own(models.Project), nested={"tasks": tasks})
        with serving(tasks, projects) as client:
            client.headers.update(by(1))
            self.owner = {} if request.param == "mapping" else {"owner_id": 1}
            self.other = 422
            yield client

    def test_new_rows_get_the_values_of_their_scope(self, scoped: TestClient) -> None:
        tasks = [{"title": "A", **self.owner}, {"title": "B", **self.owner}]
        body = {"name": "X", "slug": "x", "tasks": tasks, **self.owner}
        response = scoped.post("/projects", json=body)
        assert response.status_code == 201, response.text
        assert [task["owner_id"] for task in response.json()["tasks"]] == [1, 1]

    def test_a_new_row_cannot_leave_its_scope(self, scoped: TestClient) -> None:
        tasks = [{"title": "A", **self.owner}, {"title": "B", "owner_id": 2}]
        body = {"name": "X", "slug": "x", "tasks": tasks, **self.owner}
        status, loc = refusal(scoped.post("/projects", json=body))
        assert (status, loc[:4]) == (422, ["body", "tasks", 1, *loc[3:4]])
        body |= {"tasks": [{"title": "A", **self.owner}], "owner_id": 2}
        assert scoped.post("/projects", json=body).status_code == 422
        assert len(scoped.get("/projects").json()) == 1
        assert len(scoped.get("/tasks").json()) == 3

    @pytest.mark.parametrize(
        ("path", "body", "loc"),
        [
            ("/projects/1", {"tasks": {"connect": [4, 2]}}, ["tasks", "connect", 1]),
            ("/projects/1", {"tasks": {"disconnect": [2]}}, ["tasks", "disconnect", 0]),
            ("/projects/1", {"tasks": {"delete": [2]}}, ["tasks", "delete", 0]),
            ("/projects/1", {"tasks": {"update": [{"id": 2}]}}, ["tasks", "update", 0]),
            ("/projects/1", {"tasks": {"set": [2]}}, ["tasks", "set", 0]),
            ("/tasks/4", {"project": {"connect": 2}}, ["project", "connect"]),
            ("/tasks/3", {"project": {"update": {"name": "X"}}}, ["project", "update"]),
            ("/tasks/3", {"project": {"delete": True}}, ["project", "delete"]),
            ("/tasks/1", {"subtasks": {"connect": [2]}}, ["subtasks", "connect", 0]),
        ],
    )
    def test_a_row_outside_the_scope_is_the_404_of_a_missing_one(
        self, scoped: TestClient, path: str, body: Any, loc: list[Any]
    ) -> None:
        before = everything(scoped, "/tasks", "/projects")
        response = scoped.patch(path, json=body)
        assert refusal(response) == (404, ["body", *loc])
        assert everything(scoped, "/tasks", "/projects") == before

    @pytest.mark.parametrize("body", [{"tasks": {"create": []}}, {"tasks": {"set": []}}, {}])
    def test_a_parent_outside_the_scope_is_not_found(self, scoped: TestClient, body: Any) -> None:
        response = scoped.patch("/projects/2", json=body)
        assert response.status_code == 404
        assert response.json() == scoped.patch("/projects/99", json={}).json()

    def test_set_leaves_rows_outside_the_scope_alone(self, scoped: TestClient) -> None:
        assert scoped.patch("/projects/1", json={"tasks": {"set": [4]}}).status_code == 200
        (theirs,) = scoped.get("/tasks", headers=by(2)).json()
        assert theirs["project_id"] == 1
        parents = {task["id"]: task["project_id"] for task in scoped.get("/tasks").json()}
        assert parents == {1: None, 3: 2, 4: 1}

    def test_a_foreign_key_in_a_nested_row_is_scoped(self, scoped: TestClient) -> None:
        subtasks = [{"title": "A", "project_id": 1, **self.owner}]
        assert scoped.patch("/tasks/1", json={"subtasks": {"create": subtasks}}).status_code == 200
        subtasks += [{"title": "A", "project_id": 2, **self.owner}]
        response = scoped.patch("/tasks/1", json={"subtasks": {"create": subtasks}})
        assert refusal(response) == (409, ["body", "subtasks", "create", 1, "project_id"])
        update = {"subtasks": {"update": [{"id": 5, "project_id": 2}]}}
        response = scoped.patch("/tasks/1", json=update)
        assert refusal(response) == (409, ["body", "subtasks", "update", 0, "project_id"])

    def test_an_update_cannot_move_a_row_out_of_its_scope(self, scoped: TestClient) -> None:
        update = [{"id": 1, "owner_id": 2}]
        status, loc = refusal(scoped.patch("/projects/1", json={"tasks": {"update": update}}))
        assert (status, loc[:4]) == (422, ["body", "tasks", "update", 0])
        assert scoped.get("/tasks/1").status_code == 200

    def test_a_scope_that_denies_access_refuses_the_body(self, scoped: TestClient) -> None:
        response = scoped.patch("/projects/1", json={"tasks": {"set": []}}, headers=by(0))
        assert response.status_code == 403

    def test_a_condition_on_the_foreign_key_keeps_rows_in(
        self, db: Database, models: SimpleNamespace, store: Any
    ) -> None:
        store(models.Project(id=1, name="A", slug="a"), models.Project(id=2, name="B", slug="b"))
        store(
            models.Task(id=1, title="X", project_id=1), models.Task(id=2, title="Y", project_id=1)
        )
        tasks = Resource(models.Task, db, scope=lambda: col(models.Task.project_id) == 1)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        with serving(tasks, projects) as client:
            response = client.patch("/projects/1", json={"tasks": {"disconnect": [1, 2]}})
            assert refusal(response) == (422, ["body", "tasks", "disconnect", 0])
            response = client.patch("/projects/2", json={"tasks": {"connect": [1]}})
            assert refusal(response) == (422, ["body", "tasks", "connect", 0])
            response = client.patch("/projects/2", json={"tasks": {"create": [{"title": "Z"}]}})
            assert refusal(response) == (422, ["body", "tasks", "create", 0])
            assert [task["project_id"] for task in client.get("/tasks").json()] == [1, 1]


class TestTenants:
    """A tenant is part of the key of projects, and of the foreign key of their tasks."""

    @pytest.fixture(params=["frozen", "changeable"])
    def tenants(self, db: Database, request: pytest.FixtureRequest) -> Iterator[TestClient]:
        class Project(SQLModel, table=True):
            tenant: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
            number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
            tasks: list["Task"] = Relationship(back_populates="project", passive_deletes="all")

        class Task(SQLModel, table=True):
            __table_args__ = (
                ForeignKeyConstraint(
                    ["tenant", "project_number"], ["project.tenant", "project.number"]
                ),
            )
            id: int | None = Field(default=None, primary_key=True)
            tenant: int = Field(frozen=request.param == "frozen")
            project_number: int | None = None
            project: Project | None = Relationship(back_populates="tasks")

        db.create_all()
        tasks = Resource(Task, db, nested={"project": lambda: projects})
        projects = Resource(Project, db, nested={"tasks": tasks})
        with serving(tasks, projects) as client:
            for tenant in 1, 2:
                client.post("/projects", json={"tenant": tenant, "number": 1, "tasks": [{}, {}]})
            client.post("/projects", json={"tenant": 1, "number": 2})
            yield client

    def rows(self, client: TestClient) -> list[tuple[int, int | None]]:
        return [(row["tenant"], row["project_number"]) for row in client.get("/tasks").json()]

    def test_rows_that_are_disconnected_keep_their_tenant(self, tenants: TestClient) -> None:
        for path, body in (
            ("/projects/1,1", {"tasks": {"disconnect": [1]}}),
            ("/projects/2,1", {"tasks": {"set": [3]}}),
            ("/tasks/2", {"project": None}),
        ):
            response = tenants.patch(path, json=body)
            assert response.status_code == 200, response.text
        assert self.rows(tenants) == [(1, None), (1, None), (2, 1), (2, None)]

    def test_rows_move_within_their_tenant(self, tenants: TestClient) -> None:
        response = tenants.patch("/projects/1,2", json={"tasks": {"connect": [1]}})
        assert response.status_code == 200, response.text
        connect = {"project": {"connect": {"tenant": 1, "number": 2}}}
        response = tenants.patch("/tasks/2", json=connect)
        assert response.status_code == 200, response.text
        assert self.rows(tenants) == [(1, 2), (1, 2), (2, 1), (2, 1)]

    def test_a_frozen_tenant_cannot_be_changed(
        self, tenants: TestClient, request: pytest.FixtureRequest
    ) -> None:
        is_frozen = "frozen" in request.node.callspec.id
        before = self.rows(tenants)
        response = tenants.patch("/projects/1,2", json={"tasks": {"connect": [1, 3]}})
        connect = {"project": {"connect": {"tenant": 1, "number": 1}}}
        response_of_child = tenants.patch("/tasks/4", json=connect)
        if is_frozen:
            assert refusal(response) == (422, ["body", "tasks", "connect", 1])
            assert refusal(response_of_child) == (422, ["body", "project", "connect"])
            assert self.rows(tenants) == before
        else:
            assert self.rows(tenants) == [(1, 2), (1, 1), (1, 2), (1, 1)]


class TestMembership:
    @pytest.fixture
    def rooms(self, db: Database) -> Iterator[TestClient]:
        class Member(SQLModel, table=True):
            room_code: str = Field(foreign_key="room.code", primary_key=True)
            user: int = Field(primary_key=True)

        class Room(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            code: str = Field(unique=True)
            members: list[Member] = Relationship(passive_deletes="all")
            notes: list["Note"] = Relationship(passive_deletes="all")

        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            room_code: str = Field(foreign_key="room.code")

        def joined(user: User) -> Any:
            return col(Room.code).in_(select(Member.room_code).where(Member.user == user))

        db.create_all()
        members, notes = Resource(Member, db), Resource(Note, db)
        rooms = Resource(Room, db, scope=joined, nested={"members": members, "notes": notes})
        with serving(rooms, members, notes) as client:
            client.headers.update(by(1))
            yield client

    def test_a_new_row_comes_into_its_scope_by_a_nested_membership(self, rooms: TestClient) -> None:
        for relations in {"members": [{"user": 1}]}, {"notes": [{}], "members": [{"user": 1}]}:
            response = rooms.post("/rooms", json={"code": str(len(relations)), **relations})
            assert response.status_code == 201, response.text
        assert len(rooms.get("/rooms").json()) == 2

    def test_a_membership_of_another_does_not_help(self, rooms: TestClient) -> None:
        response = rooms.post("/rooms", json={"code": "a", "members": [{"user": 2}]})
        assert response.status_code == 422
        assert rooms.get("/rooms", headers=by(2)).json() == []


class TestGuards:
    @pytest.fixture
    def calls(self) -> list[str]:
        return []

    @pytest.fixture
    def app(self, db: Database, models: SimpleNamespace, calls: list[str]) -> FastAPI:
        def for_all() -> None:
            calls.append("all")

        async def for_create(x_user: Annotated[str, Header()] = "") -> None:
            calls.append("create")
            if x_user != "ana":
                raise HTTPException(403, "Only Ana creates tasks", {"X-Reason": "ana"})

        def for_update(reason: Annotated[str, Query()] = "") -> Iterator[None]:
            calls.append("update")
            yield
            calls.append("update ends")

        async def for_delete(everyone: Annotated[None, Depends(for_all)]) -> AsyncIterator[None]:
            calls.append("delete")
            raise Problem(409, "Tasks are kept", kind="kept")
            yield

        tasks = Resource(
            models.Task, db,
            dependencies={
                "create": [Depends(for_create)],
                "update": [Depends(for_update)],
                "delete": [Depends(for_delete)],
                "list": [Depends(for_all)],
            },
        )  # fmt: skip
        self.for_create = for_create
        app = FastAPI()
        app.include_router(tasks)
        app.include_router(Resource(models.Project, db, nested={"tasks": tasks}))
        return app

    def test_guards_run_only_if_the_body_needs_them(
        self, app: FastAPI, calls: list[str], sample_rows: None
    ) -> None:
        with TestClient(app) as client:
            client.patch("/projects/1", json={"name": "tasks"})
            client.patch("/projects/1", json={"tasks": {}})
            client.post("/projects", json={"name": "B", "slug": "b"})
            assert calls == []
            response = client.patch("/projects/1", json={"tasks": {"connect": [2]}})
            assert response.status_code == 200, response.text
            assert calls == ["update", "update ends"]

    @pytest.mark.usefixtures("sample_rows")
    def test_a_guard_that_refuses_is_located_and_nothing_changes(
        self, app: FastAPI, calls: list[str]
    ) -> None:
        with TestClient(app) as client:
            before = client.get("/projects").json()
            body: dict[str, Any] = {"name": "B", "slug": "b", "tasks": [{"title": "X"}]}
            response = client.post("/projects", json=body)
            assert refusal(response) == (403, ["body", "tasks"])
            assert response.json()["detail"] == "body.tasks: Only Ana creates tasks"
            assert response.headers["X-Reason"] == "ana"
            response = client.patch("/projects/1", json={"name": "X", "tasks": {"delete": [1]}})
            assert refusal(response) == (409, ["body", "tasks", "delete"])
            assert response.json()["type"] == "urn:colonnade:kept"
            assert client.get("/projects").json() == before
            headers = {"X-User": "ana"}
            assert client.post("/projects", json=body, headers=headers).status_code == 201

    def test_a_guard_refuses_before_the_values_are_judged(self, app: FastAPI) -> None:
        with TestClient(app) as client:
            body = {"name": "B", "slug": "b", "tasks": [{"title": ""}, {"nope": 1}]}
            assert client.post("/projects", json=body).status_code == 403

    def test_overridden_guards_are_overridden_for_nested_rows(self, app: FastAPI) -> None:
        app.dependency_overrides[self.for_create] = lambda: None
        with TestClient(app) as client:
            body = {"name": "B", "slug": "b", "tasks": [{"title": "X"}]}
            assert client.post("/projects", json=body).status_code == 201

    def test_dependencies_of_all_routes_guard_nested_rows(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def refuse() -> None:
            raise HTTPException(401, "Who are you?")

        tasks = Resource(models.Task, db, dependencies=[Depends(refuse)])
        with serving(tasks, Resource(models.Project, db, nested={"tasks": tasks})) as client:
            body = {"name": "B", "slug": "b", "tasks": [{"title": "X"}]}
            assert refusal(client.post("/projects", json=body)) == (401, ["body", "tasks"])
            assert client.get("/projects").json() == []

    def test_the_guard_of_links_is_that_of_the_row_with_the_relation(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        def refuse() -> None:
            raise HTTPException(403, "No links")

        labels = Resource(models.Label, db)
        guards: Any = {"link": [Depends(refuse)]}
        tasks = Resource(models.Task, db, nested={"labels": labels}, dependencies=guards)
        with serving(tasks, labels) as client:
            response = client.post("/tasks", json={"title": "X", "labels": [{"name": "x"}]})
            assert refusal(response) == (403, ["body", "labels"])
            assert client.get("/labels").json() == []


class TestHooks:
    def test_hooks_of_parents_and_children_run_in_the_transaction(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        seen: list[Any] = []

        @projects.before("create")
        def shout(session: Session, values: dict[str, Any]) -> None:
            values["name"] = values["name"].upper()

        @tasks.before("create")
        async def inherit(
            session: AsyncSession, values: dict[str, Any], body: Any, user: User
        ) -> None:
            project = await session.get(models.Project, values["project_id"])
            assert project is not None
            values["description"] = f"{project.name} by {user}: {body.title}"

        @tasks.after("create")
        def label(session: Session, row: Any, key: tuple[int]) -> None:
            session.add(models.Label(name=f"{row.title} {key[0]}"))

        @tasks.before("update")
        def before_update(values: dict[str, Any], key: tuple[int], row: Any) -> None:
            seen.append(("update", key[0], row.title, values))

        @tasks.before("delete")
        async def before_delete(row: Any) -> None:
            seen.append(("delete", row.title))

        @tasks.committed("create")
        async def created(row: Any, user: User) -> None:
            seen.append(("created", row.title, user))

        @tasks.committed("delete")
        def deleted(key: tuple[int]) -> None:
            seen.append(("deleted", key))

        with serving(projects, tasks, Resource(models.Label, db)) as client:
            client.headers.update(by(7))
            body = {"name": "web", "slug": "web", "tasks": [{"title": "A"}, {"title": "B"}]}
            response = client.post("/projects", json=body)
            assert response.status_code == 201, response.text
            assert response.json()["name"] == "WEB"
            descriptions = [task["description"] for task in response.json()["tasks"]]
            assert descriptions == ["WEB by 7: A", "WEB by 7: B"]
            assert [row["name"] for row in client.get("/labels").json()] == ["A 1", "B 2"]
            assert seen == [("created", "A", 7), ("created", "B", 7)]
            seen.clear()
            changes = {"update": [{"id": 1, "title": "X"}], "delete": [2]}
            assert client.patch("/projects/1", json={"tasks": changes}).status_code == 200
            assert seen == [
                ("delete", "B"),
                ("update", 1, "A", {"title": "X"}),
                ("deleted", (2,)),
            ]
            seen.clear()
            assert client.patch("/projects/1", json={"tasks": {"set": []}}).status_code == 200
            assert seen == [("update", 1, "X", {"project_id": None})]

    @pytest.mark.parametrize("error", [HTTPException(418, "No B"), Problem(409, "No B", kind="b")])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_hook_that_raises_halfway_is_located_and_nothing_changes(
        self, db: Database, models: SimpleNamespace, sample_rows: None, error: Any, moment: Any
    ) -> None:
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        committed: list[Any] = []

        def refuse_create(values: dict[str, Any]) -> None:
            if values["title"] == "B":
                raise error

        def refuse_delete(key: tuple[int]) -> None:
            if key == (3,):
                raise error

        getattr(tasks, moment)("create")(refuse_create)
        getattr(tasks, moment)("delete")(refuse_delete)
        tasks.committed("create")(committed.append)
        with serving(projects, tasks) as client:
            titles = [{"title": title} for title in "ABC"]
            response = client.post("/projects", json={"name": "X", "slug": "x", "tasks": titles})
            assert refusal(response) == (error.status_code, ["body", "tasks", 1])
            assert response.json()["detail"] == "body.tasks[1]: No B"
            assert len(client.get("/projects").json()) == 1
            connect = {"tasks": {"connect": [3]}}
            assert client.patch("/projects/1", json=connect).status_code == 200
            before = everything(client, "/projects", "/tasks")
            response = client.patch("/projects/1", json={"name": "Y", "tasks": {"delete": [1, 3]}})
            assert refusal(response) == (error.status_code, ["body", "tasks", "delete", 1])
            assert everything(client, "/projects", "/tasks") == before
            assert committed == []

    def test_hooks_run_again_with_the_values_of_the_body_when_a_write_is_retried(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        attempts: list[str] = []
        committed: list[str] = []

        @tasks.before("create")
        def append(values: dict[str, Any]) -> None:
            values["title"] += "!"

        @tasks.after("create")
        async def fail_once(session: AsyncSession, row: Any) -> None:
            attempts.append(row.title)
            if len(attempts) == 2:
                raise conflict()

        @tasks.committed("create")
        def note(row: Any) -> None:
            committed.append(row.title)

        with serving(projects, tasks) as client:
            body = {"name": "X", "slug": "x", "tasks": [{"title": "A"}, {"title": "B"}]}
            response = client.post("/projects", json=body)
            assert response.status_code == 201, response.text
            assert attempts == ["A!", "B!", "A!", "B!"]
            assert committed == ["A!", "B!"]
            assert [task["title"] for task in client.get("/tasks").json()] == ["A!", "B!"]

    def test_hooks_see_the_parents_of_their_rows_in_a_batch(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        seen: list[Any] = []

        @projects.after("create")
        def project(row: Any) -> None:
            seen.append(row.name)

        @tasks.before("create")
        async def task(values: dict[str, Any]) -> None:
            seen.append((values["title"], values["project_id"]))

        with serving(tasks, projects) as client:
            body = [{"name": n, "slug": n, "tasks": [{"title": n}, {"title": n}]} for n in "ab"]
            response = client.post("/projects:batch", json=body)
            assert response.status_code == 201, response.text
            assert seen == ["a", "b", ("a", 1), ("a", 1), ("b", 2), ("b", 2)]
            response = client.post("/projects:batch", json=body[1:] * 2)
            assert refusal(response) == (409, ["body", 0, "slug"])
            assert len(client.get("/tasks").json()) == 4

    def test_rows_without_hooks_beside_rows_with_hooks_are_written(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        labels = Resource(models.Label, db)
        tasks = Resource(models.Task, db, nested={"labels": labels})

        @labels.before("create")
        def shout(values: dict[str, Any]) -> None:
            values["name"] = values["name"].upper()

        with serving(labels, tasks) as client:
            body: dict[str, Any] = {"title": "X", "labels": [{"name": "a"}, {"name": "b"}]}
            task = client.post("/tasks", json=body).json()
            assert [label["name"] for label in task["labels"]] == ["A", "B"]
            response = client.post("/tasks", json={"title": "", "labels": []})
            assert refusal(response) == (422, ["body", "title"])
            body["labels"] = {"connect": [1, 99]}
            response = client.post("/tasks", json=body)
            assert refusal(response) == (404, ["body", "labels", "connect", 1])


class TestSessions:
    def test_nested_writes_run_in_an_overridden_session(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db, nested={"labels": lambda: labels})
        labels = Resource(models.Label, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        app = FastAPI()
        for resource in projects, tasks, labels:
            app.include_router(resource)
        with db.session() as session, TestClient(app) as client:
            app.dependency_overrides[db.get_session] = lambda: session
            session.add(models.Label(id=1, name="unflushed"))
            task: dict[str, Any] = {"title": "A", "labels": {"connect": [1]}}
            body: dict[str, Any] = {"name": "X", "slug": "x", "tasks": [task]}
            response = client.post("/projects", json=body)
            assert response.status_code == 201, response.text
            refused = client.post("/projects", json={**body, "tasks": [task, {"title": ""}]})
            assert refused.status_code == 422
            refused = client.post("/projects", json=body)
            assert refusal(refused) == (409, ["body", "slug"])
            task["labels"]["connect"] = [9]
            refused = client.post("/projects", json={**body, "slug": "y"})
            assert refusal(refused) == (404, ["body", "tasks", 0, "labels", "connect", 0])
            assert len(client.get("/projects").json()) == 1
            session.rollback()
        app.dependency_overrides.clear()
        with db.session() as session:
            assert session.exec(select(models.Project)).all() == []

    @pytest.mark.anyio
    async def test_hooks_get_the_overridden_session(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        sessions: list[Any] = []

        @tasks.after("create")
        async def note(session: AsyncSession, row: Any) -> None:
            sessions.append(session)

        app = FastAPI()
        app.include_router(projects)
        async with (
            db.session() as session,
            AsyncClient(transport=ASGITransport(app), base_url="http://test") as client,
        ):
            app.dependency_overrides[db.get_async_session] = lambda: session
            body = {"name": "X", "slug": "x", "tasks": [{"title": "A"}]}
            response = await client.post("/projects", json=body)
            assert response.status_code == 201, response.text
            assert sessions == [session]
            await session.rollback()
            assert (await session.exec(select(models.Project))).all() == []


class TestInclusion:
    """Dependencies of ``app.include_router(tasks, dependencies=[...])``."""

    @pytest.fixture
    def calls(self) -> list[str]:
        return []

    @pytest.fixture
    def app(self, db: Database, models: SimpleNamespace, calls: list[str]) -> FastAPI:
        def require_token(x_token: str = Header("")) -> None:
            calls.append(x_token)
            if not x_token:
                raise HTTPException(401, "No token")

        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        app = FastAPI()
        app.include_router(projects)
        app.include_router(tasks, dependencies=[Depends(require_token)])
        return app

    def test_they_guard_the_nested_rows_of_the_resource(
        self, app: FastAPI, calls: list[str]
    ) -> None:
        client = TestClient(app)
        body = {"name": "Web", "slug": "web", "tasks": [{"title": "One"}]}

        refused = client.post("/projects", json=body)

        assert refused.status_code == client.get("/tasks").status_code == 401
        assert refused.json()["errors"][0]["loc"] == ["body", "tasks"]
        assert client.post("/projects", json=body, headers={"x-token": "a"}).status_code == 201
        assert client.post("/projects/1/tasks", json={"title": "Two"}).status_code == 401

    def test_a_body_without_such_rows_does_not_run_them(
        self, app: FastAPI, calls: list[str]
    ) -> None:
        response = TestClient(app).post("/projects", json={"name": "Web", "slug": "web"})

        assert response.status_code == 201
        assert calls == []

    def test_those_of_the_resource_that_is_called_run_once(
        self, db: Database, models: SimpleNamespace
    ) -> None:
        calls = []
        tasks = Resource(models.Task, db)
        projects = Resource(models.Project, db, nested={"tasks": tasks})
        api = APIRouter(prefix="/api", dependencies=[Depends(lambda: calls.append("api"))])
        api.include_router(projects)
        api.include_router(tasks)
        app = FastAPI()
        app.include_router(api)
        body = {"name": "Web", "slug": "web", "tasks": [{"title": "One"}]}

        assert TestClient(app).post("/api/projects", json=body).status_code == 201
        assert calls == ["api"]


def test_an_error_of_a_hook_that_is_no_refusal_reveals_nothing(db: Database) -> None:
    class Parent(SQLModel, table=True):
        id: str = Field(primary_key=True)
        children: list["Child"] = Relationship()

    class Child(SQLModel, table=True):
        id: str = Field(primary_key=True)
        parent_id: str = Field(foreign_key="parent.id")

    class UpstreamError(Exception):
        status_code = 401

    db.create_all()
    children = Resource(Child, db)
    parents = Resource(Parent, db, nested={"children": children})

    @children.before("create")
    def call_another_service() -> None:
        raise UpstreamError("the key of the service")

    with serving(parents, children) as client, pytest.raises(UpstreamError):
        client.post("/parents", json={"id": "a", "children": [{"id": "b"}]})


def test_a_cycle_in_a_batch_of_one_has_its_location(db: Database) -> None:
    class Node(SQLModel, table=True):
        id: str = Field(primary_key=True)
        parent_id: str | None = Field(default=None, foreign_key="node.id")
        children: list["Node"] = Relationship()

    db.create_all()
    nodes: Resource = Resource(Node, db, nested={"children": lambda: nodes})
    with serving(nodes) as client:
        body = [{"id": "a", "parent_id": "a", "children": [{"id": "b"}]}]
        status, loc = refusal(client.post("/nodes:batch", json=body))
        assert (status, loc) == (409, ["body", 0, "parent_id"])
        assert client.get("/nodes").json() == []
