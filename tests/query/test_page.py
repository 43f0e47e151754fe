"""Pages by offset, and counts."""

import pytest
from fastapi.testclient import TestClient

from colonnade import Database
from tests.resources.sample_app import statements


@pytest.mark.usefixtures("tasks")
def test_a_full_last_page_has_no_next_link(client: TestClient) -> None:
    assert "Link" not in client.get("/tasks?limit=6").headers


@pytest.mark.usefixtures("tasks")
def test_pages_by_offset_link_to_their_neighbours(client: TestClient) -> None:
    answer = client.get("/tasks?limit=2&offset=2")
    assert [task["id"] for task in answer.json()] == [3, 4]
    assert set(answer.links) == {"next", "prev"}
    assert client.get(answer.links["next"]["url"]).json()[0]["id"] == 5


@pytest.mark.usefixtures("tasks")
def test_an_offset_past_the_end_returns_no_rows_and_the_count(client: TestClient) -> None:
    answer = client.get("/tasks?offset=50&count=exact")
    assert (answer.json(), answer.headers["X-Total-Count"]) == ([], "6")


@pytest.mark.usefixtures("tasks")
def test_rows_are_counted_on_request(client: TestClient) -> None:
    assert "X-Total-Count" not in client.get("/tasks").headers
    exact = client.get("/tasks?count=exact&status=pending&limit=1")
    assert exact.headers["X-Total-Count"] == "4"
    assert int(client.get("/tasks?count=estimated").headers["X-Total-Count"]) >= 1


def test_an_estimate_uses_the_planner(db: Database, client: TestClient) -> None:
    client.get("/tasks")
    with statements(db, client) as seen:
        client.get("/tasks?count=estimated")
    assert len(seen) == (2 if db.url.backend == "postgresql" else 1)
