"""``Resource(unreachable=404)``: the status of a foreign key to a row that cannot be reached."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Annotated, Any, Optional

import pytest
from fastapi import Header
from fastapi.testclient import TestClient

from colonnade import (
    STANDARD,
    Database,
    Field,
    ForeignKeyConstraint,
    Relationship,
    Resource,
    SQLModel,
)
from colonnade.errors import ModelError
from tests.resources.sample_app import INCLUDE, serving
from tests.resources.writes.nested_app import nested_resources

WRITES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/tasks", {"title": "A", "project_id": 9}),
    ("POST", "/tasks", {"title": "A", "parent_id": 9}),
    ("PATCH", "/tasks/1", {"project_id": 9}),
    ("PATCH", "/tasks/1", {"parent_id": 9}),
    ("POST", "/tasks:batch", [{"title": "A"}, {"title": "B", "project_id": 9}]),
    ("PATCH", "/tasks:batch", [{"id": 1, "title": "A"}, {"id": 2, "project_id": 9}]),
)
"""Writes with a foreign key to a row that does not exist, or that is out of scope."""

NESTED: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/projects", {"name": "A", "slug": "a", "tasks": [{"title": "A", "parent_id": 9}]}),
    ("PATCH", "/projects/1", {"tasks": {"create": [{"title": "A", "parent_id": 9}]}}),
    ("PATCH", "/projects/1", {"tasks": {"update": [{"id": 1, "parent_id": 9}]}}),
    ("POST", "/projects/1/tasks", {"title": "A", "parent_id": 9}),
    ("POST", "/tasks:batch", [{"title": "A", "project_id": 9, "subtasks": [{"title": "B"}]}]),
)
"""The same in nested bodies."""


def assert_unreachable(response: Any, status: int = 404) -> None:
    problem = response.json()
    assert (response.status_code, problem["type"], problem["status"]) == (
        status, "urn:colonnade:foreign_key", status,
    ), problem  # fmt: skip
    assert problem["errors"], problem
    assert "refers to a row that does not exist." in problem["detail"]


@pytest.mark.parametrize("hooks", [False, True], ids=["plain", "with hooks"])
@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_missing_row_has_the_status(
    db: Database,
    models: SimpleNamespace,
    sample_rows: None,
    hooks: bool,
    method: str,
    path: str,
    body: Any,
) -> None:
    tasks = Resource(models.Task, db, include=INCLUDE, unreachable=404)
    if hooks:
        tasks.before("create")(lambda session, values: None)
        tasks.before("update")(lambda session, values: None)
    with serving(tasks) as client:
        before = client.get("/tasks").json()
        assert_unreachable(client.request(method, path, json=body))
        assert client.get("/tasks").json() == before


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_a_row_out_of_scope_has_the_status(
    db: Database, models: SimpleNamespace, store: Any, method: str, path: str, body: Any
) -> None:
    def owned(x_owner: Annotated[int, Header()]) -> dict[str, int]:
        return {"owner_id": x_owner}

    store(models.Project(id=9, name="Hers", slug="hers", owner_id=8))
    store(models.Task(id=1, title="A", owner_id=7), models.Task(id=2, title="B", owner_id=7))
    store(models.Task(id=9, title="Hers", owner_id=8))
    tasks = Resource(models.Task, db, unreachable=404, scope=owned)
    projects = Resource(models.Project, db, scope=owned)
    with serving(tasks, projects) as client:
        response = client.request(method, path, json=body, headers={"X-Owner": "7"})
        assert_unreachable(response)
        hers = client.request(method, path, json=body, headers={"X-Owner": "8"})
        assert hers.status_code in {200, 201} or "PATCH" in method  # tasks 1 and 2 are not hers


@pytest.mark.parametrize(("method", "path", "body"), NESTED)
def test_a_missing_row_in_a_nested_body_has_the_status(
    db: Database,
    models: SimpleNamespace,
    sample_rows: None,
    method: str,
    path: str,
    body: Any,
) -> None:
    resources = nested_resources(db, models, unreachable=404)
    with serving(resources.projects, resources.tasks) as client:
        assert_unreachable(client.request(method, path, json=body))


def test_a_nested_body_has_the_status_of_the_resource_that_is_called(
    db: Database, models: SimpleNamespace
) -> None:
    tasks = Resource(models.Task, db, unreachable=404)
    projects = Resource(models.Project, db, nested={"tasks": tasks}, unreachable=400)
    body = {"name": "A", "slug": "a", "tasks": [{"title": "A", "parent_id": 9}]}
    with serving(tasks, projects) as client:
        assert_unreachable(client.post("/projects", json=body), 400)


def test_an_upsert_and_a_replacement_have_the_status(db: Database, models: SimpleNamespace) -> None:
    class Note(SQLModel, table=True):
        name: str = Field(primary_key=True)
        project_id: int | None = Field(default=None, foreign_key="project.id")

    db.create_all()
    notes = Resource(Note, db, operations=STANDARD | {"upsert", "replace"}, unreachable=404)
    with serving(notes) as client:
        body = {"name": "a", "project_id": 9}
        assert_unreachable(client.post("/notes?on_conflict=name", json=body))
        assert_unreachable(client.post("/notes:batch?on_conflict=name", json=[body, {"name": "b"}]))
        assert_unreachable(client.put("/notes/a", json={"project_id": 9}))
        client.post("/notes", json={"name": "a"})
        assert_unreachable(client.post("/notes?on_conflict=name", json=body))
        assert_unreachable(client.put("/notes/a", json={"project_id": 9}))
        assert client.get("/notes").json() == [{"name": "a", "project_id": None}]


def test_a_field_of_a_link_has_the_status(db: Database) -> None:
    class Badge(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Membership(SQLModel, table=True):
        team_id: int = Field(foreign_key="team.id", primary_key=True)
        person_id: int = Field(foreign_key="person.id", primary_key=True)
        badge_id: int | None = Field(default=None, foreign_key="badge.id")

    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        people: list[Person] = Relationship(link_model=Membership)

    db.create_all()
    teams = Resource(Team, db, include=["people"], unreachable=404)
    with serving(teams, Resource(Person, db), Resource(Badge, db)) as client:
        client.post("/teams", json={})
        client.post("/people", json={})
        assert_unreachable(client.put("/teams/1/people/1", json={"badge_id": 9}))
        assert client.put("/teams/1/people/9").json()["type"] == "urn:colonnade:not_found"
        assert client.get("/teams/1/people").json() == []


def test_a_composite_key_has_the_status(db: Database) -> None:
    class Room(SQLModel, table=True):
        house: str = Field(primary_key=True)
        number: int = Field(primary_key=True)

    class Lamp(SQLModel, table=True):
        __table_args__ = (ForeignKeyConstraint(["house", "number"], ["room.house", "room.number"]),)
        id: int | None = Field(default=None, primary_key=True)
        house: str | None = None
        number: int | None = None
        room: Optional[Room] = Relationship()

    db.create_all()
    with serving(Resource(Lamp, db, unreachable=404), Resource(Room, db)) as client:
        refused = client.post("/lamps", json={"house": "a", "number": 1})
        assert_unreachable(refused)
        fields = [error["field"] for error in refused.json()["errors"]]
        assert fields == ["house", "number"]
        assert client.post("/lamps", json={"house": "a"}).status_code == 201  # refers to nothing


class TestOtherConflicts:
    """Other conflicts keep their 409."""

    @pytest.fixture
    def client(
        self, db: Database, models: SimpleNamespace, sample_rows: None
    ) -> Iterator[TestClient]:
        options: dict[str, Any] = {"unreachable": 404}
        with serving(
            Resource(models.Task, db, include=INCLUDE, **options),
            Resource(models.Project, db, **options),
            Resource(models.Worker, db, **options),
        ) as client:
            yield client

    def test_a_unique_value_is_a_conflict(self, client: TestClient) -> None:
        refused = client.post("/projects", json={"name": "Web", "slug": "web"})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:colonnade:unique")

    def test_a_cycle_is_a_conflict(self, client: TestClient) -> None:
        refused = client.patch("/tasks/1", json={"parent_id": 4})
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:colonnade:cycle")

    def test_a_row_that_others_refer_to_is_a_conflict(self, db: Database) -> None:
        class Shelf(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)

        class Book(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            shelf_id: int = Field(foreign_key="shelf.id")

        db.create_all()
        with serving(
            Resource(Shelf, db, unreachable=404), Resource(Book, db, unreachable=404)
        ) as client:
            client.post("/shelves", json={})
            client.post("/books", json={"shelf_id": 1})
            refused = client.delete("/shelves/1")
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:colonnade:referenced")


def test_a_missing_row_is_a_conflict_by_default(db: Database, models: SimpleNamespace) -> None:
    with serving(Resource(models.Task, db)) as client:
        assert_unreachable(client.post("/tasks", json={"title": "A", "project_id": 9}), 409)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_document_has_the_status(db: Database, models: SimpleNamespace, status: int) -> None:
    with serving(Resource(models.Task, db, include=INCLUDE, unreachable=status)) as client:
        paths = client.get("/openapi.json").json()["paths"]
    for path, method in (("/tasks", "post"), ("/tasks/{id}", "patch"), ("/tasks:batch", "post")):
        responses = paths[path][method]["responses"]
        assert "oreign key refers to a row" in responses[str(status)]["description"]
        assert "foreign key" not in responses["409"]["description"]
        schema = responses[str(status)]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ProblemDetails"}
    assert "oreign key" not in paths["/tasks/{id}"]["get"]["responses"]["422"]["description"]


@pytest.mark.parametrize("status", [200, 301, 410, 500, None, "404"])
def test_a_status_that_refuses_nothing_is_refused(
    db: Database, models: SimpleNamespace, status: Any
) -> None:
    with pytest.raises(ModelError, match="unreachable must be the status of a refused request"):
        Resource(models.Task, db, unreachable=status)
