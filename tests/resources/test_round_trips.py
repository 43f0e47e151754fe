"""One request is one statement and one round trip (DESIGN, 4.1), counted on the wire."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import event

from colonnade import Database, Field, Resource, Timestamps, Versioned
from colonnade.resources import OPERATIONS
from tests.resources.sample_app import all_resources, define_models, serving, statements
from tests.resources.schemas_by_role.company import (
    HR,
    ROLES,
    client_of,
    define_company,
    employees_of,
)
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
class CountedDatabase:
    """A database with a counter of its round trips.

    On PostgreSQL, ``trips`` counts round trips on the wire; on SQLite, the statements that the
    driver executes, including those that begin and end a transaction.
    """

    db: Database
    trips: Callable[[], int]


def count_statements(db: Database) -> CountedDatabase:
    seen: list[str] = []

    def record(text: str) -> None:
        # A cascade repeats the text of its statement; PRAGMAs reset a connection.
        if seen[-1:] != [text] and not text.startswith("PRAGMA"):
            seen.append(text)

    @event.listens_for(db.engine, "connect")
    def trace(connection: Any, connection_record: object) -> None:
        connection.set_trace_callback(record)

    return CountedDatabase(db, lambda: len(seen))


@pytest.fixture(params=["sqlite", "memory", "postgresql"])
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[CountedDatabase]:
    if request.param == "postgresql":
        with wire(request.getfixturevalue("postgresql_database")) as wired:
            db = Database(wired.url)
            yield CountedDatabase(db, lambda: wired.trips)
    else:
        memory = request.param == "memory"
        db = Database("sqlite://" if memory else f"sqlite:///{tmp_path / 'test.db'}")
        yield count_statements(db)
    db.dispose()


@pytest.fixture
def db(counted: CountedDatabase) -> Database:
    return counted.db


@pytest.fixture
def client(db: Database) -> Iterator[TestClient]:
    models = define_models()
    db.create_all()
    with serving(*all_resources(db, models)) as client:
        client.post("/projects", json={"name": "Web", "slug": "web"})
        client.post("/workers", json={"id": "@ana"})
        client.post("/tasks:batch", json=[{"title": title} for title in "ABCD"])
        yield client


@pytest.mark.parametrize(("method", "url", "body"), REQUESTS)
def test_a_request_is_one_round_trip(
    counted: CountedDatabase, db: Database, client: TestClient, method: str, url: str, body: Any
) -> None:
    trips = []
    for n in (2, 3, 4):  # each connection prepares a statement on first use
        client.put("/tasks/1/workers/@ana")
        before = counted.trips()
        response = client.request(method, url.replace("{n}", str(n)), json=body)
        assert response.status_code < 300
        trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


@pytest.mark.parametrize(("method", "url", "body"), REQUESTS)
def test_a_request_with_event_listeners_is_one_round_trip(
    counted: CountedDatabase, db: Database, client: TestClient, method: str, url: str, body: Any
) -> None:
    trips = []
    for n in (2, 3, 4):
        client.put("/tasks/1/workers/@ana")
        before = counted.trips()
        with statements(db, client) as seen:
            response = client.request(method, url.replace("{n}", str(n)), json=body)
        assert response.status_code < 300
        trips.append(counted.trips() - before)
        assert len(seen) == 1, seen
    assert min(trips) == 1, trips


def test_a_list_with_an_envelope_is_one_round_trip(counted: CountedDatabase, db: Database) -> None:
    class Items(BaseModel):
        data: list[Any]
        count: int
        next: str | None

    models = define_models()
    db.create_all()
    with serving(Resource(models.Task, db, envelope=Items)) as client:
        client.post("/tasks:batch", json=[{"title": title} for title in "ABCD"])
        trips = []
        for _ in range(3):
            client.get("/tasks/1")
            before = counted.trips()
            assert client.get("/tasks?limit=2").json()["count"] == 4
            trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


def test_a_batch_is_one_round_trip(
    counted: CountedDatabase, db: Database, client: TestClient
) -> None:
    trips = []
    for _ in range(3):
        before = counted.trips()
        created = client.post("/tasks:batch", json=[{"title": title} for title in "abcde"])
        assert created.status_code == 201
        trips.append(counted.trips() - before)
    # SQLite has no round trips: each row is a statement, all in one transaction.
    assert min(trips) == (1 if db.url.backend == "postgresql" else 7), trips


def test_a_batch_of_updates_is_one_statement_in_a_transaction(
    counted: CountedDatabase, db: Database, client: TestClient
) -> None:
    trips = []
    for progress in (1, 2, 3):
        before = counted.trips()
        changes = [{"id": key, "progress": progress + key} for key in (1, 2, 3, 4)]
        assert client.patch("/tasks:batch", json=changes).status_code == 200
        trips.append(counted.trips() - before)
    assert min(trips) == (3 if db.url.backend == "postgresql" else 6), trips


UPSERTS: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/pages?on_conflict=slug", {"slug": "{n}", "title": "x"}),
    ("POST", "/pages?on_conflict=slug", {"slug": "a", "title": "{n}"}),
    ("POST", "/pages?on_conflict=slug&update=title", {"slug": "a", "title": "{n}"}),
    ("POST", "/pages?on_conflict=slug&keep=true", {"slug": "{n}"}),
    ("POST", "/pages?on_conflict=slug&keep=true", {"slug": "a"}),
    ("POST", "/pages?on_conflict=slug", {"slug": "a", "folder": "a"}),
    ("POST", "/scoped?on_conflict=slug", {"slug": "a", "folder": "a"}),
    ("POST", "/scoped?on_conflict=slug&keep=true", {"slug": "a"}),
    ("PUT", "/folders/{n}", {"name": "x"}),
    ("PUT", "/folders/a", {"name": "{n}"}),
    ("PUT", "/scoped-folders/a", {"name": "{n}"}),
)


@pytest.fixture
def upserting(db: Database) -> Iterator[TestClient]:
    """A client of tables that are upserted and replaced, with and without scopes of values."""

    class Folder(Timestamps, Versioned, table=True):
        id: str = Field(primary_key=True)
        name: str = ""
        owner: str = "ana"

    class Page(Timestamps, Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        slug: str = Field(unique=True)
        title: str = ""
        owner: str = "ana"
        folder: str | None = Field(default=None, foreign_key="folder.id")

    db.create_all()
    scoped = Database(db.url)

    def own() -> dict[str, str]:
        return {"owner": "ana"}

    pages = [Resource(Page, db, operations=OPERATIONS - {"replace"})]
    pages += [
        Resource(Page, scoped, scope=own, operations=OPERATIONS - {"replace"}, prefix="/scoped")
    ]
    folders = [Resource(Folder, db, operations=OPERATIONS)]
    folders += [
        Resource(Folder, scoped, scope=own, operations=OPERATIONS, prefix="/scoped-folders")
    ]
    with serving(*pages, *folders) as client:
        client.put("/folders/a", json={})
        client.post("/pages", json={"slug": "a"})
        yield client
    scoped.dispose()


@pytest.mark.parametrize(("method", "url", "body"), UPSERTS)
def test_an_upsert_is_one_round_trip(
    counted: CountedDatabase, upserting: TestClient, method: str, url: str, body: Any
) -> None:
    if counted.db.url.backend == "sqlite":
        pytest.skip("SQLite looks the row up in the same trip to the thread")
    trips = []
    for n in "1234":
        values = {name: value.replace("{n}", n) for name, value in body.items()}
        before = counted.trips()
        response = upserting.request(method, url.replace("{n}", n), json=values)
        assert response.status_code in {200, 201}
        trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


@pytest.mark.parametrize(("method", "url", "body"), UPSERTS)
def test_an_upsert_is_one_trip_to_the_thread_of_sqlite(
    counted: CountedDatabase,
    upserting: TestClient,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    url: str,
    body: Any,
) -> None:
    if counted.db.url.backend == "postgresql":
        pytest.skip("PostgreSQL has no thread")
    trips: list[object] = []
    run_async = Database.run_async

    async def count(db: Database, work: Any, **options: Any) -> Any:
        trips.append(work)
        return await run_async(db, work, **options)

    monkeypatch.setattr(Database, "run_async", count)
    for n in "12":
        values = {name: value.replace("{n}", n) for name, value in body.items()}
        response = upserting.request(method, url.replace("{n}", n), json=values)
        assert response.status_code in {200, 201}
    assert len(trips) == 2


@pytest.mark.parametrize("keep", ["", "&keep=true"])
def test_a_batch_of_upserts_is_one_statement_in_a_transaction(
    counted: CountedDatabase, upserting: TestClient, keep: str
) -> None:
    if counted.db.url.backend == "sqlite":
        pytest.skip("SQLite writes row by row")
    trips = []
    for n in "1234":
        rows = [{"slug": slug, "title": n} for slug in ("a", "b", n)]
        before = counted.trips()
        response = upserting.post(f"/pages:batch?on_conflict=slug{keep}", json=rows)
        assert response.status_code == 200
        trips.append(counted.trips() - before)
    assert min(trips) == 3, trips


def test_a_conditional_write_is_one_round_trip(
    counted: CountedDatabase, client: TestClient
) -> None:
    trips = []
    for name in "ABC":
        tag = client.get("/projects/1").headers["ETag"]
        before = counted.trips()
        changed = client.patch("/projects/1", json={"name": name}, headers={"If-Match": tag})
        assert changed.status_code == 200
        trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "/tasks", {"title": "New"}),
        ("PATCH", "/tasks/{n}", {"progress": 5}),
        ("DELETE", "/tasks/{n}", None),
    ],
)
def test_a_write_under_a_write_scope_is_one_round_trip(
    counted: CountedDatabase, db: Database, method: str, url: str, body: Any
) -> None:
    models = define_models()
    db.create_all()
    writable = {"owner_id": 1}
    trips = []
    with serving(Resource(models.Task, db, write_scope=lambda: writable)) as client:
        client.post("/tasks:batch", json=[{"title": title} for title in "ABC"])
        for n in (1, 2, 3):
            before = counted.trips()
            response = client.request(method, url.replace("{n}", str(n)), json=body)
            assert response.status_code < 300
            trips.append(counted.trips() - before)
    assert min(trips) == 1, trips


@pytest.mark.slow
def test_the_counter_counts_every_round_trip(counted: CountedDatabase, db: Database) -> None:
    with db.session() as session:
        connection = session.connection()
        connection.exec_driver_sql("SELECT 1")
        before = counted.trips()
        for number in range(2, 5):
            connection.exec_driver_sql(f"SELECT {number}")
        assert counted.trips() - before == 3
        connection.exec_driver_sql("CREATE TABLE example (id INTEGER)")
        session.rollback()
        # SQLite begins a transaction before the write; on PostgreSQL it has begun already.
        assert counted.trips() - before == (5 if db.url.backend == "postgresql" else 6)


def test_a_request_with_schemas_by_role_is_one_round_trip(
    counted: CountedDatabase, db: Database
) -> None:
    company = define_company()
    db.create_all()
    with client_of(employees_of(company, db, include=["manager"])) as client:
        client.post("/employees", json={"id": "ana", "name": "Ana"}, headers=HR)
        for role in ROLES:
            for method, url, body in (
                ("GET", "/employees?include=manager", None),
                ("GET", "/employees/ana", None),
                ("PATCH", "/employees/ana", {"name": "Ana"}),
            ):
                trips = []
                for _ in range(3):
                    client.get("/employees?limit=1", headers=role)
                    before = counted.trips()
                    response = client.request(method, url, json=body, headers=role)
                    assert response.status_code == 200
                    trips.append(counted.trips() - before)
                assert min(trips) == 1, (role, method, trips)
