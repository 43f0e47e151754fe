"""Composite keys of several tables that share a column: the tenant."""

from typing import Any, Optional

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import ForeignKeyConstraint

from colonnade import Database, Field, Relationship, Resource, SQLModel
from tests.resources.sample_app import serving


@pytest.fixture
def client(db: Database) -> Any:
    class Task(SQLModel, table=True):
        tenant: int = Field(primary_key=True)
        id: int = Field(primary_key=True)
        workers: list["Worker"] = Relationship(
            sa_relationship_kwargs={
                "secondary": "assignment",
                "primaryjoin": "and_(Task.tenant == Assignment.tenant, Task.id == Assignment.task)",
                "secondaryjoin": "and_(Worker.tenant == Assignment.tenant, "
                "Worker.id == Assignment.worker)",
                "viewonly": True,
            }
        )
        assignments: list["Assignment"] = Relationship()

    class Worker(SQLModel, table=True):
        tenant: int = Field(primary_key=True)
        id: int = Field(primary_key=True)

    class Assignment(SQLModel, table=True):
        __table_args__ = (
            ForeignKeyConstraint(["tenant", "task"], ["task.tenant", "task.id"]),
            ForeignKeyConstraint(["tenant", "worker"], ["worker.tenant", "worker.id"]),
        )
        tenant: int = Field(primary_key=True)
        task: int = Field(primary_key=True)
        worker: int = Field(primary_key=True)
        hours: int = 0

    class Node(SQLModel, table=True):
        __table_args__ = (
            ForeignKeyConstraint(["tenant", "parent_id"], ["node.tenant", "node.id"]),
        )
        tenant: int = Field(primary_key=True)
        id: int = Field(primary_key=True)
        parent_id: int | None = Field(default=None, alias="parentId")
        parent: Optional["Node"] = Relationship(
            back_populates="children",
            sa_relationship_kwargs={"remote_side": "[Node.tenant, Node.id]"},
        )
        children: list["Node"] = Relationship(back_populates="parent")

    db.create_all()
    workers = Resource(Worker, db)
    tasks = Resource(Task, db, include=["workers", "assignments"], nested={"workers": workers})
    with serving(tasks, workers, Resource(Node, db)) as client:
        for tenant in (1, 2):
            client.post("/tasks", json={"tenant": tenant, "id": 1})
            client.post("/workers", json={"tenant": tenant, "id": 2})
        nodes = [(1, 1, None), (1, 2, 1), (1, 3, 2), (2, 2, None)]
        for tenant, key, parent in nodes:
            body = {"tenant": tenant, "id": key, "parentId": parent}
            assert client.post("/nodes", json=body).status_code == 201
        yield client


@pytest.mark.parametrize("relation", ["workers", "assignments"])
def test_a_link_has_the_shared_column_only_once(client: TestClient, relation: str) -> None:
    row = {"tenant": 1, "task": 1, "worker": 2, "hours": 3}
    linked = client.put(f"/tasks/1,1/{relation}/1,2", json={"hours": 3})
    assert (linked.status_code, linked.json()) == (200, row)
    assert len(client.get(f"/tasks/1,1/{relation}").json()) == 1
    assert client.delete(f"/tasks/1,1/{relation}/1,2").json() == {"ok": True}
    assert client.get(f"/tasks/1,1/{relation}").json() == []
    assert client.put(f"/tasks/1,1/{relation}/1,9").status_code == 404
    apart = client.put(f"/tasks/1,1/{relation}/2,2")
    assert (apart.status_code, "same tenant" in apart.json()["detail"]) == (409, True)


@pytest.mark.parametrize("verb", ["connect", "set", "create"])
def test_a_nested_body_links_rows_with_the_same_value_of_the_shared_column(
    client: TestClient, verb: str
) -> None:
    key = 3 if verb == "create" else 2
    apart = client.patch("/tasks/1,1", json={"workers": {verb: [{"tenant": 2, "id": key}]}})
    assert (apart.status_code, "same tenant" in apart.json()["detail"]) == (409, True)
    assert apart.json()["errors"][0]["loc"] == ["body", "workers", verb, 0]
    assert client.get("/tasks/1,1/workers").json() == []
    linked = client.patch("/tasks/1,1", json={"workers": {verb: [{"tenant": 1, "id": key}]}})
    assert linked.json()["workers"] == client.get("/tasks/1,1/workers").json()


def test_a_tree_may_have_a_composite_key(client: TestClient) -> None:
    below = client.get("/nodes/1,1/children?depth=all").json()
    assert [(row["tenant"], row["id"]) for row in below] == [(1, 2), (1, 3)]
    assert len(client.get("/nodes/1,1/children?depth=1").json()) == 1
    assert client.patch("/nodes/1,1", json={"parentId": 3}).json()["type"] == "urn:colonnade:cycle"


def test_a_missing_parent_is_reported_with_the_alias_of_its_field(client: TestClient) -> None:
    for url, body in (("/nodes/1,3", {"parentId": 77}), ("/nodes/1,3", {"parentId": None})):
        response = client.patch(url, json=body)
        if body["parentId"] is None:
            assert response.status_code == 200
            continue
        assert response.json()["type"] == "urn:colonnade:foreign_key"
        assert [error["field"] for error in response.json()["errors"]] == ["tenant", "parentId"]
