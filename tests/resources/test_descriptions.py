"""``Resource.describe``: what a request may use, as plain values."""

from dataclasses import asdict
from typing import Any, Literal, Optional

import pytest
from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.testclient import TestClient
from sqlalchemy import ForeignKey

from colonnade import (
    STANDARD,
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
    StudioView,
    schemas,
)


@pytest.fixture
def models(db: Database) -> dict[str, Any]:
    class Label(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str

    class Link(SQLModel, table=True):
        task_id: int = Field(foreign_key="task.id", primary_key=True)
        label_id: int = Field(foreign_key="label.id", primary_key=True)
        note: str = ""

    class Task(SQLModel, table=True):
        """Something to do."""

        id: int | None = Field(default=None, primary_key=True)
        title: str = Field(max_length=20)
        status: Literal["open", "done"] = "open"
        parent_id: int | None = Field(default=None, foreign_key="task.id")
        pay: int = 0
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent", passive_deletes="all")
        labels: list[Label] = Relationship(link_model=Link)

    db.create_all()
    return {"Task": Task, "Label": Label}


def described(tasks: Resource, **headers: str) -> Any:
    app = FastAPI()
    app.include_router(tasks)

    @app.get("/description")
    async def describe(request: Request) -> dict[str, Any]:
        return asdict(await tasks.describe(request))

    return TestClient(app).get("/description", headers=headers).json()


def test_fields_relations_and_operations_are_described(
    db: Database, models: dict[str, Any]
) -> None:
    tasks: Resource = Resource(
        models["Task"],
        db,
        include=["parent", "subtasks.count", "labels"],
        nested={"subtasks": lambda: tasks},
        operations=STANDARD - {"delete"},
        studio=StudioView(title="To do", columns=["title"]),
    )
    description = described(tasks)
    assert (description["name"], description["table"], description["path"]) == (
        "Task", "task", "/tasks",
    )  # fmt: skip
    assert description["description"] == "Something to do."
    assert (description["key"], description["studio"]["title"]) == (["id"], "To do")
    assert "delete" not in description["operations"]
    assert {"list", "create", "update_many"} <= set(description["operations"])
    fields = {field["name"]: field for field in description["fields"]}
    assert fields["status"]["choices"] == ["open", "done"]
    assert fields["parent_id"]["references"] == ["task", "id"]
    assert fields["title"]["filters"]["icontains"] == "title__icontains"
    assert description["create"]["properties"]["title"]["maxLength"] == 20
    assert description["update"]["properties"].keys() >= {"title", "status"}
    relations = {relation["name"]: relation for relation in description["relations"]}
    parent, subtasks, labels = (relations[name] for name in ("parent", "subtasks", "labels"))
    assert (parent["kind"], parent["included"], parent["listed"]) == ("one", True, False)
    assert (subtasks["count"], subtasks["tree"], subtasks["nested"], subtasks["creatable"]) == (
        "subtasks_count", True, True, True,
    )  # fmt: skip
    assert (labels["linkable"], labels["link_table"], labels["link_columns"]) == (
        True, "label", ["label_id"],
    )  # fmt: skip
    assert list(labels["link"]["properties"]) == ["note"]


def test_the_description_has_the_schemas_of_the_request(
    db: Database, models: dict[str, Any]
) -> None:
    task = models["Task"]

    class Public(SQLModel):
        id: int
        title: str

    Full = schemas(task).read

    def by_role(role: str = Header("")) -> type[Public] | type[Full]:  # type: ignore[valid-type]  # made at run time
        if role == "stranger":
            raise HTTPException(403)
        return Full if role == "boss" else Public

    tasks = Resource(task, db, read=by_role, scope=None)
    names = {field["name"] for field in described(tasks, role="boss")["fields"]}
    assert "pay" in names
    fields = described(tasks, role="worker")["fields"]
    assert {field["name"] for field in fields} == {"id", "title"}
    assert described(tasks, role="worker")["is_open"] is False
    assert described(tasks, role="stranger") == {"detail": "Forbidden"}


def test_nested_rows_have_the_schema_of_their_resource(db: Database, models: Any) -> None:
    class LabelOfTask(SQLModel):
        name: str = Field(max_length=5)

    labels = Resource(models["Label"], db, create=LabelOfTask, prefix="/task-labels")
    relations = described(Resource(models["Task"], db, nested={"labels": labels}))["relations"]
    created = {relation["name"]: relation["nested_create"] for relation in relations}
    assert created["labels"]["properties"]["name"]["maxLength"] == 5
    assert created.get("subtasks") is None


def test_nested_rows_have_the_schema_of_the_request(db: Database, models: Any) -> None:
    class LabelOfGuest(SQLModel):
        name: str = Field(max_length=5)

    def by_role(role: str = Header()) -> type[LabelOfGuest]:
        if role != "guest":
            raise HTTPException(403)
        return LabelOfGuest

    labels = Resource(models["Label"], db, create=by_role)
    tasks = Resource(models["Task"], db, nested={"labels": labels})
    created = [
        {each["name"]: each["nested_create"] for each in described(tasks, **headers)["relations"]}
        for headers in ({"role": "guest"}, {"role": "other"}, {})
    ]
    assert [each["labels"] is None for each in created] == [False, True, True]


def test_links_are_described_by_their_fields(db: Database) -> None:
    class Member(SQLModel, table=True):
        club: int = Field(foreign_key="club.id", primary_key=True)
        person: int = Field(
            primary_key=True,
            sa_column_args=[ForeignKey("person.id")],
            sa_column_kwargs={"name": "pid"},
        )
        role: str = ""

    class Club(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        members: list[Member] = Relationship()

    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    assert Person.__tablename__ == "person"
    db.create_all()
    (relation,) = described(Resource(Club, db, include=["members"]))["relations"]
    assert relation["link_columns"] == ["person"]
