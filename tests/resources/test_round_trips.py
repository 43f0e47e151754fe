"""One request, one statement, one round trip: DESIGN, 4.1; counted on the wire."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from colonnade import Database
from tests.resources.world import define, everything, serving, statements
from tests.wire import wire

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


@dataclass
class Counted:
    """A database, and how often it has been asked something.

    On PostgreSQL each ``trips`` is a round trip on the wire; on SQLite a statement that the
    driver ran, those that begin and end a transaction included.
    """

    db: Database
    trips: Callable[[], int]


def traced(db: Database) -> Counted:
    seen: list[str] = []

    def note(text: str) -> None:
        # A cascade is told by the statement's text again; PRAGMA puts a connection back.
        if seen[-1:] != [text] and not text.startswith("PRAGMA"):
            seen.append(text)

    @event.listens_for(db.engine, "connect")
    def trace(connection: Any, record: object) -> None:
        connection.set_trace_callback(note)

    return Counted(db, lambda: len(seen))


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counted]:
    if request.param == "postgresql":
        with wire(request.getfixturevalue("postgresql_database")) as wired:
            db = Database(wired.url)
            yield Counted(db, lambda: wired.trips)
    else:
        memory = request.param == "memory"
        db = Database("sqlite://" if memory else f"sqlite:///{tmp_path / 'test.db'}")
        yield traced(db)
    db.dispose()


@pytest.fixture
def db(counted: Counted) -> Database:
    return counted.db


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
    counted: Counted, db: Database, client: TestClient, method: str, url: str, body: Any
) -> None:
    trips = []
    for n in (2, 3, 4):  # a statement is prepared when it first comes, on each connection
        client.put("/tasks/1/workers/@ana")
        before = counted.trips()
        answer = client.request(method, url.replace("{n}", str(n)), json=body)
        assert answer.status_code < 300
        trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


@pytest.mark.parametrize(("method", "url", "body"), REQUESTS)
def test_a_request_that_somebody_watches_is_the_same_statement(
    counted: Counted, db: Database, client: TestClient, method: str, url: str, body: Any
) -> None:
    trips = []
    for n in (2, 3, 4):
        client.put("/tasks/1/workers/@ana")
        before = counted.trips()
        with statements(db, client) as seen:
            answer = client.request(method, url.replace("{n}", str(n)), json=body)
        assert answer.status_code < 300
        trips.append(counted.trips() - before)
        assert len(seen) == 1, seen
    assert min(trips) == 1, trips


def test_a_batch_is_one_round_trip(counted: Counted, db: Database, client: TestClient) -> None:
    trips = []
    for _ in range(3):
        before = counted.trips()
        created = client.post("/tasks:batch", json=[{"title": title} for title in "abcde"])
        assert created.status_code == 201
        trips.append(counted.trips() - before)
    # SQLite, which has no round trips, is given each row in one transaction.
    assert min(trips) == (1 if db.url.backend == "postgresql" else 7), trips


def test_a_batch_of_changes_is_one_statement_in_a_transaction(
    counted: Counted, db: Database, client: TestClient
) -> None:
    trips = []
    for progress in (1, 2, 3):
        before = counted.trips()
        changes = [{"id": key, "progress": progress + key} for key in (1, 2, 3, 4)]
        assert client.patch("/tasks:batch", json=changes).status_code == 200
        trips.append(counted.trips() - before)
    assert min(trips) == (3 if db.url.backend == "postgresql" else 6), trips


def test_a_conditional_write_is_one_round_trip(counted: Counted, client: TestClient) -> None:
    trips = []
    for name in "ABC":
        tag = client.get("/projects/1").headers["ETag"]
        before = counted.trips()
        changed = client.patch("/projects/1", json={"name": name}, headers={"If-Match": tag})
        assert changed.status_code == 200
        trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


def test_what_is_said_is_counted(counted: Counted, db: Database) -> None:
    with db.session() as session:
        connection = session.connection()
        connection.exec_driver_sql("SELECT 1")
        before = counted.trips()
        for number in range(2, 5):
            connection.exec_driver_sql(f"SELECT {number}")
        assert counted.trips() - before == 3
        connection.exec_driver_sql("CREATE TABLE noted (id INTEGER)")
        session.rollback()
        # SQLite begins before it writes; PostgreSQL had begun.
        assert counted.trips() - before == (5 if db.url.backend == "postgresql" else 6)
