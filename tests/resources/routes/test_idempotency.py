"""``Idempotency-Key``: a repeated POST is executed once and gets the same response."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import httpx2 as httpx
import pytest
from fastapi import Depends, FastAPI, Header
from fastapi.testclient import TestClient
from sqlalchemy import literal, text

from colonnade import Database, Idempotency, Resource, Session, SQLModel, func, select
from colonnade.errors import ModelError
from colonnade.resources.routes import _idempotency
from tests.resources.sample_app import serving


@pytest.fixture
def request_keys(models: SimpleNamespace, db: Database) -> Any:
    """The table of stored responses."""

    class RequestKey(Idempotency, table=True):
        keep_for: ClassVar[timedelta] = timedelta(hours=1)

    db.create_all()
    return RequestKey


@pytest.fixture
def tasks(db: Database, models: SimpleNamespace, request_keys: Any) -> Resource:
    return Resource(models.Task, db, idempotency=request_keys)


@pytest.fixture
def idempotent_client(tasks: Resource) -> Iterator[TestClient]:
    with serving(tasks) as client:
        yield client


def count_rows(db: Database, model: type[Any]) -> int:
    with db.session() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def test_a_repeated_request_gets_the_same_response(
    idempotent_client: TestClient, db: Database, models: SimpleNamespace
) -> None:
    first = idempotent_client.post("/tasks", json={"title": "A task"}, headers=key("a"))
    again = idempotent_client.post("/tasks", json={"title": "A task"}, headers=key("a"))
    assert first.status_code == again.status_code == 201
    assert (first.content, dict(first.headers)) == (again.content, dict(again.headers))
    assert count_rows(db, models.Task) == 1
    idempotent_client.post("/tasks", json={"title": "A task"}, headers=key("b"))
    idempotent_client.post("/tasks", json={"title": "A task"})
    assert count_rows(db, models.Task) == 3


def test_a_repeated_batch_gets_the_same_response(
    idempotent_client: TestClient, db: Database, models: SimpleNamespace
) -> None:
    rows = [{"title": "One"}, {"title": "Two"}]
    first = idempotent_client.post("/tasks:batch", json=rows, headers=key("a"))
    again = idempotent_client.post("/tasks:batch", json=rows, headers=key("a"))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert [row["title"] for row in again.json()] == ["One", "Two"]
    assert count_rows(db, models.Task) == 2
    # Another path is another request.
    assert (
        idempotent_client.post("/tasks", json={"title": "One"}, headers=key("a")).status_code == 201
    )


def test_a_key_with_another_body_is_refused(idempotent_client: TestClient) -> None:
    idempotent_client.post("/tasks", json={"title": "One"}, headers=key("a"))
    response = idempotent_client.post("/tasks", json={"title": "Two"}, headers=key("a"))
    assert response.status_code == 422
    assert response.json()["type"] == "urn:colonnade:idempotency_key"


@pytest.mark.parametrize("wrong", ["", "x" * 256])
def test_an_invalid_key_is_refused(idempotent_client: TestClient, wrong: str) -> None:
    response = idempotent_client.post("/tasks", json={"title": "One"}, headers=key(wrong))
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


def test_a_refused_request_is_executed_again(
    idempotent_client: TestClient, db: Database, models: SimpleNamespace
) -> None:
    body = {"title": "Of a project", "project_id": 1}
    assert idempotent_client.post("/tasks", json=body, headers=key("a")).status_code == 409
    with db.session() as session:
        session.add(models.Project(name="P", slug="p"))
        session.commit()
    assert idempotent_client.post("/tasks", json=body, headers=key("a")).status_code == 201


def test_an_expired_response_is_not_reused(
    idempotent_client: TestClient, db: Database, models: SimpleNamespace, request_keys: Any
) -> None:
    for name in ("a", "b", "c"):
        idempotent_client.post("/tasks", json={"title": "A task"}, headers=key(name))
    with db.session() as session:
        session.connection().execute(text("UPDATE requestkey SET expires_at = '2020-01-01'"))
        session.commit()
    assert (
        idempotent_client.post("/tasks", json={"title": "Other"}, headers=key("a")).status_code
        == 201
    )
    assert count_rows(db, models.Task) == 4
    assert (
        count_rows(db, request_keys) == 1
    )  # a write deletes the expired responses to other requests


def test_hooks_run_once_and_in_the_same_transaction(
    tasks: Resource, db: Database, models: SimpleNamespace
) -> None:
    runs: list[str] = []

    @tasks.after("create")
    def note(session: Session, task: Any) -> None:
        runs.append(task.title)
        if len(runs) == 1:
            raise RuntimeError("the first attempt fails")

    with serving(tasks) as client:
        with pytest.raises(RuntimeError):
            client.post("/tasks", json={"title": "A task"}, headers=key("a"))
        for _ in range(2):
            response = client.post("/tasks", json={"title": "A task"}, headers=key("a"))
            assert response.status_code == 201
    assert runs == ["A task", "A task"]
    assert count_rows(db, models.Task) == 1


def test_a_key_belongs_to_the_scope_of_its_user(
    db: Database, models: SimpleNamespace, request_keys: Any
) -> None:
    def owned_by_user(user: int = Header()) -> dict[str, int]:
        return {"owner_id": user}

    tasks = Resource(models.Task, db, scope=Depends(owned_by_user), idempotency=request_keys)
    with serving(tasks) as client:
        for user in ("1", "2"):
            headers = key("a") | {"user": user}
            responses = [
                client.post("/tasks", json={"title": "Mine"}, headers=headers) for _ in range(2)
            ]
            assert [response.json()["owner_id"] for response in responses] == [int(user)] * 2
    assert count_rows(db, models.Task) == 2


def test_a_scope_with_the_current_time_is_the_same_scope(
    db: Database, models: SimpleNamespace, request_keys: Any
) -> None:
    def due(user: int = Header()) -> Any:
        Task = models.Task
        return (Task.owner_id == user) & ((Task.due == None) | (Task.due > datetime.now(UTC)))  # noqa: E711

    tasks = Resource(models.Task, db, scope=Depends(due), idempotency=request_keys)
    with serving(tasks) as client:
        for user in (1, 2):
            headers = key("a") | {"user": str(user)}
            body = {"title": "Mine", "owner_id": user}
            responses = [client.post("/tasks", json=body, headers=headers) for _ in range(2)]
            assert [response.json()["owner_id"] for response in responses] == [user] * 2
    assert count_rows(db, models.Task) == 2


@pytest.mark.parametrize(
    "values",
    [
        [date(2026, 1, 1), date(2026, 1, 2)],
        [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)],
        [timedelta(hours=1), timedelta(hours=2)],
        [b"a", b"b"],
        [1, "1"],
    ],
)
def test_scopes_with_different_values_are_different_scopes(
    db: Database, models: SimpleNamespace, request_keys: Any, values: list[Any]
) -> None:
    def values_of_user(user: int = Header()) -> Any:
        return literal(values[user]) == literal(values[user])

    tasks = Resource(models.Task, db, scope=Depends(values_of_user), idempotency=request_keys)
    with serving(tasks) as client:
        responses = [
            client.post("/tasks", json={"title": "x"}, headers=key("a") | {"user": user})
            for user in ("0", "1", "0")
        ]
    assert [response.json()["id"] for response in responses] == [1, 2, 1]


def test_concurrent_requests_are_executed_once(
    tasks: Resource, db: Database, models: SimpleNamespace
) -> None:
    app = FastAPI()
    app.include_router(tasks)

    async def send_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await asyncio.gather(
                *(
                    client.post("/tasks", json={"title": "A task"}, headers=key("a"))
                    for _ in range(8)
                )
            )

    responses = asyncio.run(send_all())
    by_status = sorted(response.status_code for response in responses)
    assert set(by_status) <= {201, 409}
    assert by_status[0] == 201
    in_flight = [response for response in responses if response.status_code == 409]
    assert all(response.json()["type"] == "urn:colonnade:in_flight" for response in in_flight)
    assert all(response.headers["Retry-After"] == "1" for response in in_flight)
    assert count_rows(db, models.Task) == 1


def test_a_request_in_progress_in_another_process_is_a_conflict(
    idempotent_client: TestClient, db: Database, models: SimpleNamespace
) -> None:
    """A lock in the database detects it: processes share no memory."""
    if db.url.backend == "sqlite":
        pytest.skip("on SQLite, it waits for the lock and gets the stored response")
    fingerprints: list[Any] = []
    find = _idempotency.ResponseStore.find

    def record(self: Any, connection: Any, fingerprint: Any) -> Any:
        fingerprints.append(fingerprint)
        return find(self, connection, fingerprint)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_idempotency.ResponseStore, "find", record)
        idempotent_client.post("/tasks", json={"title": "A task"}, headers=key("a"))
    number = int(fingerprints[0].key[:16], 16) - 2**63
    with db.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        response = idempotent_client.post("/tasks", json={"title": "A task"}, headers=key("a"))
        assert (response.status_code, response.json()["type"]) == (409, "urn:colonnade:in_flight")
    assert (
        idempotent_client.post("/tasks", json={"title": "A task"}, headers=key("a")).status_code
        == 201
    )


def test_without_a_table_the_header_is_ignored(client: TestClient) -> None:
    for _ in range(2):
        assert client.post("/tasks", json={"title": "T"}, headers=key("a")).status_code == 201
    assert len(client.get("/tasks").json()) == 2


def test_the_table_must_inherit_from_idempotency(db: Database, models: SimpleNamespace) -> None:
    wrong: Any = models.Project
    tasks = Resource(models.Task, db, idempotency=wrong)
    with pytest.raises(ModelError, match="class RequestKey"):
        FastAPI().include_router(tasks)


def test_the_openapi_document_has_the_header(
    idempotent_client: TestClient, client: TestClient
) -> None:
    def headers(of_client: TestClient) -> list[str]:
        operation = of_client.get("/openapi.json").json()["paths"]["/tasks"]["post"]
        return [parameter["name"] for parameter in operation.get("parameters", [])]

    assert headers(idempotent_client) == ["Idempotency-Key"]
    assert headers(client) == []


def test_the_table_is_an_ordinary_model(request_keys: Any) -> None:
    assert issubclass(request_keys, SQLModel)
    assert request_keys.__table__.primary_key.columns.keys() == ["key"]
