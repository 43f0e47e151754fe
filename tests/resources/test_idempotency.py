"""``Idempotency-Key``: a POST that comes twice is carried out once, and answered the same."""

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
from tests.resources.world import serving


@pytest.fixture
def kept(models: SimpleNamespace, db: Database) -> Any:
    """The table of answers."""

    class RequestKey(Idempotency, table=True):
        keep_for: ClassVar[timedelta] = timedelta(hours=1)

    db.create_all()
    return RequestKey


@pytest.fixture
def tasks(db: Database, models: SimpleNamespace, kept: Any) -> Resource:
    return Resource(models.Task, db, idempotency=kept)


@pytest.fixture
def asking(tasks: Resource) -> Iterator[TestClient]:
    with serving(tasks) as client:
        yield client


def stored(db: Database, model: type[Any]) -> int:
    with db.session() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def test_a_repeat_is_answered_as_the_first_was(
    asking: TestClient, db: Database, models: SimpleNamespace
) -> None:
    first = asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
    again = asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
    assert first.status_code == again.status_code == 201
    assert (first.content, dict(first.headers)) == (again.content, dict(again.headers))
    assert stored(db, models.Task) == 1
    asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("b"))
    asking.post("/tasks", json={"title": "IdempotentRequest"})
    assert stored(db, models.Task) == 3


def test_so_is_that_of_a_batch(asking: TestClient, db: Database, models: SimpleNamespace) -> None:
    rows = [{"title": "One"}, {"title": "Two"}]
    first = asking.post("/tasks:batch", json=rows, headers=key("a"))
    again = asking.post("/tasks:batch", json=rows, headers=key("a"))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert [row["title"] for row in again.json()] == ["One", "Two"]
    assert stored(db, models.Task) == 2
    # Another path is another request.
    assert asking.post("/tasks", json={"title": "One"}, headers=key("a")).status_code == 201


def test_the_key_of_another_body_is_refused(asking: TestClient) -> None:
    asking.post("/tasks", json={"title": "One"}, headers=key("a"))
    answer = asking.post("/tasks", json={"title": "Two"}, headers=key("a"))
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:colonnade:idempotency_key"


@pytest.mark.parametrize("wrong", ["", "x" * 256])
def test_a_key_that_is_none_is_refused(asking: TestClient, wrong: str) -> None:
    answer = asking.post("/tasks", json={"title": "One"}, headers=key(wrong))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]


def test_what_was_refused_is_judged_anew(
    asking: TestClient, db: Database, models: SimpleNamespace
) -> None:
    body = {"title": "Of a project", "project_id": 1}
    assert asking.post("/tasks", json=body, headers=key("a")).status_code == 409
    with db.session() as session:
        session.add(models.Project(name="P", slug="p"))
        session.commit()
    assert asking.post("/tasks", json=body, headers=key("a")).status_code == 201


def test_after_its_time_an_answer_is_forgotten(
    asking: TestClient, db: Database, models: SimpleNamespace, kept: Any
) -> None:
    for name in ("a", "b", "c"):
        asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key(name))
    with db.session() as session:
        session.connection().execute(text("UPDATE requestkey SET expires_at = '2020-01-01'"))
        session.commit()
    assert asking.post("/tasks", json={"title": "Other"}, headers=key("a")).status_code == 201
    assert stored(db, models.Task) == 4
    assert stored(db, kept) == 1  # those of the others are deleted along the way


def test_hooks_run_once_and_in_the_same_transaction(
    tasks: Resource, db: Database, models: SimpleNamespace
) -> None:
    runs: list[str] = []

    @tasks.after("create")
    def note(session: Session, task: Any) -> None:
        runs.append(task.title)
        if len(runs) == 1:
            raise RuntimeError("the first does not come to its end")

    with serving(tasks) as client:
        with pytest.raises(RuntimeError):
            client.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
        for _ in range(2):
            answer = client.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
            assert answer.status_code == 201
    assert runs == ["IdempotentRequest", "IdempotentRequest"]
    assert stored(db, models.Task) == 1


def test_what_one_user_was_answered_no_other_is(
    db: Database, models: SimpleNamespace, kept: Any
) -> None:
    def mine(user: int = Header()) -> dict[str, int]:
        return {"owner_id": user}

    tasks = Resource(models.Task, db, scope=Depends(mine), idempotency=kept)
    with serving(tasks) as client:
        for user in ("1", "2"):
            headers = key("a") | {"user": user}
            answers = [
                client.post("/tasks", json={"title": "Mine"}, headers=headers) for _ in range(2)
            ]
            assert [answer.json()["owner_id"] for answer in answers] == [int(user)] * 2
    assert stored(db, models.Task) == 2


def test_a_scope_that_asks_for_the_time_says_the_same_again(
    db: Database, models: SimpleNamespace, kept: Any
) -> None:
    def due(user: int = Header()) -> Any:
        Task = models.Task
        return (Task.owner_id == user) & ((Task.due == None) | (Task.due > datetime.now(UTC)))  # noqa: E711

    tasks = Resource(models.Task, db, scope=Depends(due), idempotency=kept)
    with serving(tasks) as client:
        for user in (1, 2):
            headers = key("a") | {"user": str(user)}
            body = {"title": "Mine", "owner_id": user}
            answers = [client.post("/tasks", json=body, headers=headers) for _ in range(2)]
            assert [answer.json()["owner_id"] for answer in answers] == [user] * 2
    assert stored(db, models.Task) == 2


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
def test_scopes_are_told_apart_by_every_kind_of_value(
    db: Database, models: SimpleNamespace, kept: Any, values: list[Any]
) -> None:
    def own(user: int = Header()) -> Any:
        return literal(values[user]) == literal(values[user])

    tasks = Resource(models.Task, db, scope=Depends(own), idempotency=kept)
    with serving(tasks) as client:
        answers = [
            client.post("/tasks", json={"title": "x"}, headers=key("a") | {"user": user})
            for user in ("0", "1", "0")
        ]
    assert [answer.json()["id"] for answer in answers] == [1, 2, 1]


def test_those_that_come_at_once_are_carried_out_once(
    tasks: Resource, db: Database, models: SimpleNamespace
) -> None:
    app = FastAPI()
    app.include_router(tasks)

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await asyncio.gather(
                *(
                    client.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
                    for _ in range(8)
                )
            )

    answers = asyncio.run(ask())
    by_status = sorted(answer.status_code for answer in answers)
    assert set(by_status) <= {201, 409}
    assert by_status[0] == 201
    in_flight = [answer for answer in answers if answer.status_code == 409]
    assert all(response.json()["type"] == "urn:colonnade:in_flight" for response in in_flight)
    assert all(response.headers["Retry-After"] == "1" for response in in_flight)
    assert stored(db, models.Task) == 1


def test_one_that_another_process_carries_out_is_in_flight(
    asking: TestClient, db: Database, models: SimpleNamespace
) -> None:
    """What the database itself knows: processes do not know of each other."""
    from colonnade.resources.routes import _idempotency

    if db.url.backend == "sqlite":
        pytest.skip("there it waits for the lock, and is answered as the first was")
    receipts: list[Any] = []
    find = _idempotency.ResponseStore.find

    def note(self: Any, connection: Any, receipt: Any) -> Any:
        receipts.append(receipt)
        return find(self, connection, receipt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_idempotency.ResponseStore, "find", note)
        asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
    number = int(receipts[0].key[:16], 16) - 2**63
    with db.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        answer = asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a"))
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:colonnade:in_flight")
    assert (
        asking.post("/tasks", json={"title": "IdempotentRequest"}, headers=key("a")).status_code
        == 201
    )


def test_without_a_table_the_header_means_nothing(client: TestClient) -> None:
    for _ in range(2):
        assert client.post("/tasks", json={"title": "T"}, headers=key("a")).status_code == 201
    assert len(client.get("/tasks").json()) == 2


def test_the_table_has_to_be_one(db: Database, models: SimpleNamespace) -> None:
    wrong: Any = models.Project
    tasks = Resource(models.Task, db, idempotency=wrong)
    with pytest.raises(ModelError, match="class RequestKey"):
        FastAPI().include_router(tasks)


def test_the_document_tells_of_the_header(asking: TestClient, client: TestClient) -> None:
    def headers(idempotent_client: TestClient) -> list[str]:
        operation = idempotent_client.get("/openapi.json").json()["paths"]["/tasks"]["post"]
        return [parameter["name"] for parameter in operation.get("parameters", [])]

    assert headers(asking) == ["Idempotency-Key"]
    assert headers(client) == []


def test_it_is_a_table_like_any_other(kept: Any) -> None:
    assert issubclass(kept, SQLModel)
    assert kept.__table__.primary_key.columns.keys() == ["key"]
