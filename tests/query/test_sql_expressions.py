"""Fields of a read schema that the database computes: column and hybrid properties."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import aliased, column_property

from colonnade import Database, Field, Relationship, Resource, SQLModel, col, func, select
from colonnade.errors import ModelError
from tests.resources.sample_app import serving


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    """Projects with computed fields, and their tasks."""

    class Project(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        width: int = 2
        height: int = 3
        rank: int = 0
        tasks: list["Task"] = Relationship(back_populates="project", cascade_delete=True)

        @hybrid_property
        def area(self) -> int:
            return self.width * self.height

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        project_id: int = Field(foreign_key="project.id", ondelete="CASCADE")
        done: bool = False
        hours: Decimal = Field(default=Decimal(0), max_digits=8, decimal_places=2)
        at: datetime | None = None
        project: Project = Relationship(back_populates="tasks")

    other = aliased(Project)
    mine = Task.project_id == Project.id
    computed: dict[str, Any] = {
        "open_tasks": select(func.count(col(Task.id))).where(mine, ~col(Task.done)),
        "last_at": select(func.max(Task.at)).where(mine).correlate(Project),
        "is_first": select(func.count(col(other.id)) == 0).where(other.rank < Project.rank),
    }
    for name, statement in computed.items():
        setattr(Project, name, column_property(statement.scalar_subquery()))
    Project.title = column_property(func.upper(Project.name))

    class ProjectRead(Project, schema="read"):
        open_tasks: int
        last_at: datetime | None
        is_first: bool
        title: str = Field(serialization_alias="TITLE")
        area: int

    class TaskRead(Task, schema="read"):
        project: ProjectRead

    db.create_all()
    return SimpleNamespace(Project=Project, Task=Task, ProjectRead=ProjectRead, TaskRead=TaskRead)


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    """A client of two projects, the first with two tasks of which one is done."""
    projects = Resource(models.Project, db, read=models.ProjectRead, include=["tasks"])
    tasks = Resource(models.Task, db, read=models.TaskRead)
    with serving(projects, tasks) as client:
        client.post("/projects:batch", json=[{"name": "a"}, {"name": "b", "width": 9, "rank": 1}])
        at = "2026-07-01T12:00:00Z"
        rows = [{"project_id": 1, "at": at}, {"project_id": 1, "done": True}]
        client.post("/tasks:batch", json=rows)
        yield client


def ids(client: TestClient, url: str) -> list[int]:
    response = client.get(url)
    assert response.status_code == 200, response.text
    return [row["id"] for row in response.json()]


def test_they_are_in_every_response(client: TestClient) -> None:
    first = {
        "id": 1, "name": "a", "width": 2, "height": 3, "rank": 0, "open_tasks": 1, "area": 6,
        "last_at": "2026-07-01T12:00:00Z", "is_first": True, "TITLE": "A",
    }  # fmt: skip
    assert client.get("/projects").json()[0] == client.get("/projects/1").json() == first
    assert client.get("/tasks/1").json()["project"] == first
    changed = client.patch("/projects/1", json={"name": "c", "height": 5}).json()
    assert changed == {**first, "name": "c", "height": 5, "area": 10, "TITLE": "C"}
    created = client.post("/projects", json={"name": "d", "rank": 3}).json()
    shown = {name: created[name] for name in ("open_tasks", "last_at", "is_first", "area")}
    assert shown == {"open_tasks": 0, "last_at": None, "is_first": False, "area": 6}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("open_tasks=1", [1]),
        ("open_tasks__lt=1", [2]),
        ("area__gte=20", [2]),
        ("is_first=false", [2]),
        ("last_at__gte=2026-07-01T14:00:00%2B02:00", [1]),
        ("last_at__is_null=true", [2]),
        ("TITLE__in=B,C", [2]),
        ("order_by=-area", [2, 1]),
        ("order_by=open_tasks,-TITLE", [2, 1]),
        ('where={"or":[{"area":6},{"open_tasks__gt":5}]}', [1]),
    ],
)
def test_lists_filter_and_sort_by_them(client: TestClient, query: str, expected: list[int]) -> None:
    assert ids(client, f"/projects?{query}") == expected


def test_pages_and_relations_know_them(client: TestClient) -> None:
    page = client.get("/projects?order_by=-area&limit=1")
    assert ids(client, page.links["next"]["url"]) == [1]
    assert ids(client, "/tasks?project__area=6&order_by=-project.area,-id") == [2, 1]


@pytest.mark.parametrize("body", [{"area": 1}, {"open_tasks": 1}, {"title": "x"}])
def test_no_body_sets_them(client: TestClient, body: dict[str, Any]) -> None:
    assert client.patch("/projects/1", json=body).status_code == 422
    assert client.post("/projects", json={"name": "x", **body}).status_code == 422


def test_the_document_has_them(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    properties = document["components"]["schemas"]["ProjectRead"]["properties"]
    assert properties["area"]["type"] == "integer"
    parameters = document["paths"]["/projects"]["get"]["parameters"]
    (order_by,) = (each for each in parameters if each["name"] == "order_by")
    assert "-open_tasks" in str(document["components"]["schemas"]) + str(order_by)


def test_a_session_has_them_too(db: Database, client: TestClient, models: SimpleNamespace) -> None:
    with db.session() as session:
        project: Any = session.get(models.Project, 1)
        assert (project.open_tasks, project.title, project.area) == (1, "A", 6)
        assert project.last_at == datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_a_field_that_is_no_expression_is_refused(db: Database, models: SimpleNamespace) -> None:
    class Wrong(models.Project, schema="read"):  # type: ignore[name-defined,misc,call-arg]  # made above
        nothing: int

    with pytest.raises(ModelError, match="nothing is neither a column, a relation nor"):
        serving(Resource(models.Project, db, read=Wrong)).__enter__()


def test_decimals_are_exact(db: Database) -> None:
    class Order(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        cost: Decimal = Field(max_digits=8, decimal_places=2)

        @hybrid_property
        def triple(self) -> Any:
            return self.cost * 3

    class OrderRead(Order, schema="read"):
        triple: Decimal = Field(decimal_places=2)

    class Vague(Order, schema="read"):
        triple: Decimal

    db.create_all()
    with serving(Resource(Order, db, read=OrderRead)) as client:
        created = client.post("/orders", json={"cost": "0.10"}).json()
        assert created["triple"] == "0.30"  # as floats, 0.30000000000000004
        assert ids(client, "/orders?triple=0.3") == [created["id"]]
    with pytest.raises(ModelError, match="decimal_places"):
        serving(Resource(Order, db, prefix="/vague", read=Vague)).__enter__()
