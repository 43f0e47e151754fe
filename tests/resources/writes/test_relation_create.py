"""``POST /projects/1/tasks`` creates a row in a relation."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.testclient import TestClient

from colonnade import Database, Field, Relationship, Resource, Session, SQLModel
from tests.resources.sample_app import serving, statements


@pytest.fixture
def client(db: Database, models: SimpleNamespace, sample_rows: None) -> Iterator[TestClient]:
    """An app whose projects nest tasks, and whose tasks nest subtasks and labels."""
    labels = Resource(models.Label, db)
    tasks = Resource(models.Task, db, nested={"labels": labels, "subtasks": lambda: tasks})
    projects = Resource(models.Project, db, include=["tasks"], nested={"tasks": tasks})
    with serving(projects, tasks, labels) as client:
        yield client


def test_a_row_is_created_in_the_relation(client: TestClient) -> None:
    response = client.post("/projects/1/tasks", json={"title": "New"})

    assert response.status_code == 201
    assert response.json()["project_id"] == 1
    assert response.headers["location"] == f"/tasks/{response.json()['id']}"
    assert client.get(response.headers["location"]).json() == response.json()


def test_it_takes_one_statement(db: Database, client: TestClient) -> None:
    client.post("/projects/1/tasks", json={"title": "Warm up"})

    with statements(db, client) as seen:
        client.post("/projects/1/tasks", json={"title": "New"})

    assert len(seen) <= 1  # none is seen where the driver executes it directly


def test_a_missing_parent_is_a_404(client: TestClient) -> None:
    response = client.post("/projects/99/tasks", json={"title": "New"})

    assert response.status_code == 404
    assert response.json()["detail"] == "Project not found."
    assert client.get("/tasks?title=New").json() == []


def test_a_key_that_no_row_can_have_is_a_404(client: TestClient) -> None:
    for path in "/projects/3836914639/tasks", "/tasks/3836914639/subtasks":
        assert client.post(path, json={"title": "New"}).status_code == 404


def test_another_missing_reference_is_a_409(client: TestClient) -> None:
    response = client.post("/projects/1/tasks", json={"title": "New", "parent_id": 99})

    assert response.status_code == 409
    assert response.json()["errors"][0]["loc"] == ["body", "parent_id"]


def test_the_body_cannot_have_the_foreign_key(client: TestClient) -> None:
    response = client.post("/projects/1/tasks", json={"title": "New", "project_id": 1})

    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", "project_id"]


def test_the_row_may_have_nested_rows(client: TestClient) -> None:
    body = {"title": "New", "subtasks": [{"title": "Below"}]}

    created = client.post("/projects/1/tasks", json=body).json()

    assert created["subtasks"][0]["parent_id"] == created["id"]
    assert client.post("/projects/99/tasks", json=body).status_code == 404


def test_a_row_of_a_tree_is_created_below_its_parent(client: TestClient) -> None:
    assert client.post("/tasks/1/subtasks", json={"title": "New"}).json()["parent_id"] == 1
    assert client.post("/tasks/99/subtasks", json={"title": "New"}).status_code == 404


def test_a_row_of_a_link_is_created_and_linked(client: TestClient) -> None:
    response = client.post("/tasks/1/labels", json={"name": "new"})

    assert response.status_code == 201
    assert response.headers["location"] == f"/labels/{response.json()['id']}"
    assert client.post("/tasks/99/labels", json={"name": "lost"}).status_code == 404
    assert client.get("/labels?name=lost").json() == []


@pytest.fixture
def shop(db: Database) -> Iterator[TestClient]:
    """Shops and their orders, of which a request sees those of its tenant."""

    class Shop(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tenant: str
        orders: list["Order"] = Relationship(back_populates="shop")

    class Order(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        shop_id: int = Field(foreign_key="shop.id", index=True)
        text: str
        by: str = Field(default="", readonly=True)
        shop: Shop | None = Relationship(back_populates="orders")

    db.create_all()

    def own(x_tenant: str = Header()) -> dict[str, str]:
        return {"tenant": x_tenant}

    def require_token(x_token: str = Header("")) -> None:
        if x_token != "secret":
            raise HTTPException(403, "No token")

    orders = Resource(Order, db, dependencies={"create": [Depends(require_token)]})

    @orders.before("create")
    def note(session: Session, values: dict[str, Any], x_tenant: str = Header()) -> None:
        values["by"] = x_tenant

    shops = Resource(Shop, db, scope=own, nested={"orders": orders})
    app = FastAPI()
    app.include_router(shops)
    app.include_router(orders)
    with TestClient(app) as client:
        client.headers["x-tenant"] = "ana"
        client.headers["x-token"] = "secret"
        client.post("/shops", json={"tenant": "ana"})
        yield client


def test_a_parent_outside_the_scope_is_the_404_of_a_missing_one(shop: TestClient) -> None:
    missing = shop.post("/shops/99/orders", json={"text": "x"})
    foreign = shop.post("/shops/1/orders", json={"text": "x"}, headers={"x-tenant": "bo"})

    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content


def test_the_guards_and_hooks_of_the_created_table_apply(shop: TestClient) -> None:
    refused = shop.post("/shops/1/orders", json={"text": "x"}, headers={"x-token": ""})

    assert refused.status_code == 403
    assert shop.post("/shops/1/orders", json={"text": "x"}).json()["by"] == "ana"
