"""Tests of the endpoints. The fixtures come from Colonnade's pytest plugin."""

import pytest
from app.models import Item
from fastapi.testclient import TestClient
from httpx2 import AsyncClient

from colonnade import Session
from colonnade.testing import make


def test_a_row_is_created_read_changed_and_deleted(client: TestClient) -> None:
    response = client.post("/items", json={"name": "First"})
    assert response.status_code == 201
    url = response.headers["Location"]
    assert client.get(url).json()["status"] == "draft"
    assert client.patch(url, json={"status": "active"}).json()["status"] == "active"
    assert [row["name"] for row in client.get("/items").json()] == ["First"]
    assert client.delete(url).json() == {"ok": True}
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "First", "status": "unknown"}])
def test_an_invalid_body_is_refused(client: TestClient, body: dict[str, str]) -> None:
    assert client.post("/items", json=body).status_code == 422


def test_the_list_is_filtered(client: TestClient, session: Session) -> None:
    session.add_all([make(Item, status="active"), make(Item, status="archived")])
    session.commit()  # a real commit: the app sees the rows, and the next test does not
    assert len(client.get("/items", params={"status": "active"}).json()) == 1


async def test_the_start_page_is_the_documentation(async_client: AsyncClient) -> None:
    response = await async_client.get("/", follow_redirects=True)
    assert response.url.path == "/docs"
