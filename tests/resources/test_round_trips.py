"""One request, one statement, one round trip: DESIGN, 4.1; counted on the wire."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database
from tests.resources.world import define, everything, serving, statements
from tests.wire import Wire, wire

REQUESTS: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/tasks", None),
    ("GET", "/tasks?count=exact&status=pending&order_by=-title&limit=1", None),
    ("GET", "/tasks?include=project,assignments.worker,labels,subtasks", None),
    ("GET", '/tasks?project__slug=web&where={"not":{"title":"x"}}', None),
    ("GET", "/tasks/1", None),
    ("GET", "/tasks/1?include=project", None),
    ("GET", "/tasks/1/labels", None),
    ("GET", "/tasks/1/subtasks?depth=all", None),
    ("POST", "/tasks", {"title": "New", "tags": ["x"], "due": "2026-01-01T00:00:00Z"}),
    ("POST", "/tasks", {"title": "New", "project_id": 1, "parent_id": 1}),
    ("PATCH", "/tasks/1", {"progress": 5}),
    ("PATCH", "/tasks/1", {"project_id": 1}),
    ("PUT", "/tasks/1/workers/@ana", {"role": "reviewer"}),
    ("DELETE", "/tasks/1/workers/@ana", None),
    ("DELETE", "/tasks/{n}", None),
)


@pytest.fixture
def wired(postgresql_database: str) -> Iterator[Wire]:
    with wire(postgresql_database) as counted:
        yield counted


@pytest.fixture
def db(wired: Wire) -> Iterator[Database]:
    database = Database(wired.url)
    yield database
    database.dispose()


@pytest.fixture
def client(db: Database) -> Iterator[TestClient]:
    models = define()
    db.create_all()
    with serving(*everything(db, models)) as client:
        client.post("/projects", json={"name": "Web", "slug": "web"})
        client.post("/workers", json={"id": "@ana"})
        client.post("/tasks:batch", json=[{"title": title} for title in "ABCD"])
        yield client


@pytest.mark.parametrize(("method", "url", "body"), REQUESTS)
def test_a_request_is_one_round_trip(
    wired: Wire, db: Database, client: TestClient, method: str, url: str, body: Any
) -> None:
    for n in (2, 3, 4):  # a statement is prepared when it first comes
        client.put("/tasks/1/workers/@ana")
        before = wired.trips
        with statements(db, client) as seen:
            answer = client.request(method, url.replace("{n}", str(n)), json=body)
        assert answer.status_code < 300
    assert (wired.trips - before, len(seen)) == (1, 1), seen


def test_a_conditional_write_is_one_round_trip(wired: Wire, client: TestClient) -> None:
    for name in "ABC":
        tag = client.get("/projects/1").headers["ETag"]
        before = wired.trips
        changed = client.patch("/projects/1", json={"name": name}, headers={"If-Match": tag})
        assert changed.status_code == 200
    assert wired.trips - before == 1


def test_the_wire_counts(wired: Wire, db: Database) -> None:
    with db.session() as session:
        connection = session.connection()
        connection.exec_driver_sql("SELECT 1")
        before = wired.trips
        for _ in range(3):
            connection.exec_driver_sql("SELECT 1")
        assert wired.trips - before == 3
        session.rollback()
        assert wired.trips - before == 4
