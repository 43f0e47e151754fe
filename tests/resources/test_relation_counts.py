"""Counts and sums of related rows in rows: included, in the read schema, after writes."""

from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Optional

import pytest
from fastapi import Header
from fastapi.testclient import TestClient
from pydantic import BaseModel, field_serializer

from colonnade import Database, Field, Relationship, Resource, SQLModel
from colonnade.errors import ModelError
from tests.resources.sample_app import serving, statements


class Task(BaseModel):
    """A read schema with counts."""

    id: int
    title: str
    subtasks_count: int
    entries_hours_sum: Decimal
    entries_hours_max: Decimal | None


class ShoutedTask(Task):
    """A read schema that Pydantic has to write."""

    @field_serializer("title")
    def shout(self, title: str) -> str:
        return title.upper()


@pytest.fixture
def models(db: Database) -> SimpleNamespace:
    class Entry(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        task_id: int = Field(foreign_key="task.id", ondelete="CASCADE")
        hours: Decimal = Field(max_digits=8, decimal_places=2)
        owner: str = "ana"
        task: Optional["Task"] = Relationship(back_populates="entries")

    class Task(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str = ""
        parent_id: int | None = Field(default=None, foreign_key="task.id", index=True)
        parent: Optional["Task"] = Relationship(
            back_populates="subtasks", sa_relationship_kwargs={"remote_side": "Task.id"}
        )
        subtasks: list["Task"] = Relationship(back_populates="parent", passive_deletes="all")
        entries: list[Entry] = Relationship(back_populates="task", passive_deletes="all")

    db.create_all()
    with db.session() as session:
        for row in (Task(title="top"), Task(title="a", parent_id=1), Task(title="b", parent_id=1)):
            session.add(row)
            session.commit()
        session.add_all([Entry(task_id=1, hours=Decimal(hours)) for hours in ("1.50", "2.00")])
        session.add(Entry(task_id=1, hours=Decimal(8), owner="ben"))
        session.commit()
    return SimpleNamespace(Task=Task, Entry=Entry)


INCLUDE = ["subtasks.count", "entries.hours.sum", "entries.hours.max", "parent.subtasks.count"]


@pytest.fixture
def client(db: Database, models: SimpleNamespace) -> Iterator[TestClient]:
    with serving(Resource(models.Task, db, include=INCLUDE)) as client:
        yield client


def test_included_counts_stand_beside_the_fields_of_a_row(client: TestClient) -> None:
    query = "include=subtasks.count,entries.hours.sum,entries.hours.max&fields=id"
    assert client.get(f"/tasks?{query}").json() == [
        {"id": 1, "subtasks_count": 2, "entries_hours_max": "8.00", "entries_hours_sum": "11.50"},
        {"id": 2, "subtasks_count": 0, "entries_hours_max": None, "entries_hours_sum": "0.00"},
        {"id": 3, "subtasks_count": 0, "entries_hours_max": None, "entries_hours_sum": "0.00"},
    ]
    assert client.get("/tasks/1?include=subtasks.count&fields=id").json() == {
        "id": 1,
        "subtasks_count": 2,
    }
    assert "subtasks_count" not in client.get("/tasks/1").json()


def test_a_count_of_an_included_row_stands_in_that_row(client: TestClient) -> None:
    parent = client.get("/tasks/2?include=parent.subtasks.count").json()["parent"]
    assert parent == {"id": 1, "title": "top", "parent_id": None, "subtasks_count": 2}


def test_a_page_with_counts_is_one_statement(db: Database, client: TestClient) -> None:
    client.get("/tasks")  # connect
    with statements(db, client) as seen:
        client.get("/tasks?include=subtasks.count&order_by=-subtasks.count&subtasks__count__gte=0")
    assert len(seen) == 1


def test_rows_are_filtered_by_counts(client: TestClient) -> None:
    def ids(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"/tasks?{query}").json()]

    assert ids("subtasks__count__gt=1") == [1]
    assert ids("subtasks__count=0") == [2, 3]
    assert ids("entries__hours__sum__gte=11.5") == [1]
    assert ids("entries__hours__max__is_null=true") == [2, 3]
    assert ids('where={"not": {"subtasks__count": {"in": [2, 5]}}}') == [2, 3]
    assert ids("parent__subtasks__count=2") == [2, 3]


@pytest.mark.parametrize("read", [Task, ShoutedTask])
def test_a_field_of_the_read_schema_is_in_every_response(
    db: Database, models: SimpleNamespace, read: type[BaseModel]
) -> None:
    title = "TOP" if read is ShoutedTask else "top"
    row = {
        "id": 1,
        "title": title,
        "subtasks_count": 2,
        "entries_hours_sum": "11.50",
        "entries_hours_max": "8.00",
    }
    with serving(Resource(models.Task, db, read=read)) as client:
        assert client.get("/tasks/1").json() == row
        assert client.get("/tasks?order_by=-subtasks.count&limit=1").json() == [row]
        created = client.post("/tasks", json={"title": "top", "parent_id": 1}).json()
        assert created | {"id": 0} == {
            "id": 0,
            "title": title,
            "subtasks_count": 0,
            "entries_hours_sum": "0.00",
            "entries_hours_max": None,
        }
        changed = client.patch("/tasks/1", json={"title": "top"})
        assert changed.json() == row | {"subtasks_count": 3}
        batch = client.patch("/tasks:batch", json=[{"id": 1}, {"id": 2, "parent_id": None}])
        assert [task["subtasks_count"] for task in batch.json()] == [2, 0]
        document = client.get("/openapi.json").json()["components"]["schemas"]
        assert document[read.__name__]["properties"]["subtasks_count"]["type"] == "integer"


def test_counts_follow_the_rows_that_a_nested_write_creates(
    db: Database, models: SimpleNamespace
) -> None:
    entries = Resource(models.Entry, db)
    tasks = Resource(models.Task, db, read=Task, nested={"entries": entries})
    with serving(entries, tasks) as client:
        body = {"title": "new", "entries": [{"hours": "1.25"}, {"hours": "1.00"}]}
        created = client.post("/tasks", json=body).json()
        assert created["entries_hours_sum"] == "2.25"
        path = f"/tasks/{created['id']}"
        more = {"entries": {"create": [{"hours": "0.75"}]}}
        assert client.patch(path, json=more).json()["entries_hours_max"] == "1.25"
        assert client.get(path).json()["entries_hours_sum"] == "3.00"


def test_a_count_changes_the_etag(db: Database, models: SimpleNamespace) -> None:
    with serving(Resource(models.Task, db, read=Task)) as client:
        before = client.get("/tasks/1").headers["ETag"]
        client.post("/tasks", json={"title": "c", "parent_id": 1})
        again = client.get("/tasks/1", headers={"If-None-Match": before})
        assert again.status_code == 200


def test_only_rows_in_scope_count(db: Database, models: SimpleNamespace) -> None:
    def own(x_user: str = Header()) -> dict[str, str]:
        return {"owner": x_user}

    entries = Resource(models.Entry, db, scope=own)
    tasks = Resource(models.Task, db, include=["entries.count", "entries.hours.sum"])
    with serving(entries, tasks) as client:
        ben = {"X-User": "ben"}
        query = "include=entries.count,entries.hours.sum&fields=id&limit=1"
        (row,) = client.get(f"/tasks?{query}", headers=ben).json()
        assert (row["entries_count"], row["entries_hours_sum"]) == (1, "8.00")
        assert client.get("/tasks?entries__count__gt=1", headers=ben).json() == []
        ordered = client.get("/tasks?order_by=-entries.count,id&limit=1", headers=ben).json()
        assert ordered[0]["id"] == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("include=entries.count", "'entries.count' cannot be included"),
        ("order_by=entries.count", "'entries.count' cannot be used to sort"),
        ("entries__count__gt=1", "Unknown parameter entries__count__gt"),
        ("include=subtasks.title.max", "The aggregates are subtasks.count, entries.hours.sum"),
        ("subtasks__count__like=1", "subtasks.count has no 'like'"),
        ("subtasks__count__contains=1", "contains does not apply to subtasks.count"),
        ("subtasks__count=many", "Input should be a valid integer"),
        ("include=subtasks.count:5", "'subtasks' cannot be included"),
    ],
)
def test_a_count_that_is_not_declared_is_refused(
    client: TestClient, query: str, message: str
) -> None:
    answer = client.get(f"/tasks?{query}")
    assert answer.status_code == 422
    assert message in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("parent.count", r"parent.count is an aggregate of Task.parent, which is not a list"),
        ("subtasks.sum", r"subtasks.sum needs a field: subtasks.<field>.sum"),
        ("subtasks.titel.max", "aggregates 'titel', which is not a field of TaskRead.*title"),
        ("subtasks.title.avg", "avg does not apply to subtasks.title. Use one of count"),
        ("workers.count", "include names 'workers', which is not a relation of Task"),
    ],
)
def test_a_wrong_declaration_is_refused_when_the_resource_is_built(
    db: Database, models: SimpleNamespace, include: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        list(Resource(models.Task, db, include=[include]).routes)


def test_a_field_with_the_wrong_type_is_refused(db: Database, models: SimpleNamespace) -> None:
    class WithText(BaseModel):
        subtasks_count: str

    class WithoutNone(BaseModel):
        entries_hours_max: Decimal

    with pytest.raises(ModelError, match=r"is the aggregate subtasks.count, whose type is int"):
        list(Resource(models.Task, db, read=WithText).routes)
    with pytest.raises(ModelError, match=r"is None without rows. Annotate it Decimal \| None"):
        list(Resource(models.Task, db, read=WithoutNone).routes)


def test_the_document_has_the_counts_that_can_be_included(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    rows: Any = document["components"]["schemas"]["TaskWithRelations"]
    assert rows["allOf"][1]["properties"]["subtasks_count"] == {"type": "integer"}
    assert "subtasks.count" in document["components"]["schemas"]["TaskInclude"]["enum"]
    assert "-subtasks.count" in document["components"]["schemas"]["TaskOrderBy"]["enum"]
    parameters = document["paths"]["/tasks"]["get"]["parameters"]
    assert "subtasks__count__gt" in [parameter["name"] for parameter in parameters]
