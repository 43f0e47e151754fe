"""A client that goes away: what its request waits for in the database is cancelled."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import Connection, text

from colonnade import Database, Resource, update
from colonnade.errors import ModelError
from colonnade.resources.routes._request_context import context_of
from tests.resources.world import serving

SLOW = {
    "postgresql": "SELECT pg_sleep(20)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT sum(i) FROM n",
}


def app_that_waits(
    db: Database, models: SimpleNamespace, deadline: float | None = 30
) -> tuple[FastAPI, list[str]]:
    """An app whose list of tasks takes for ever, and what became of it."""
    tasks = Resource(models.Task, db, deadline=deadline)
    outcomes: list[str] = []

    def work(connection: Connection) -> None:
        try:
            connection.execute(text(SLOW[db.url.backend]))
        except BaseException as error:
            outcomes.append(type(error).__name__)
            raise

    @tasks.get("")
    async def slow(request: Request) -> None:
        await tasks.table_context.run(context_of(request), work, read_only=True)

    app = FastAPI()
    app.include_router(tasks)
    return app, outcomes


async def stay(app: FastAPI, *, seconds: float) -> list[dict[str, Any]]:
    """Ask for the tasks, and hang up after some seconds; what the app answered."""
    gone = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, gone.set)
    begun = False

    async def receive() -> dict[str, Any]:
        nonlocal begun
        if not begun:
            begun = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    return await ask(app, receive)


async def ask(app: FastAPI, receive: Callable[[], Awaitable[Any]]) -> list[dict[str, Any]]:
    """Ask for the tasks; what the app answered."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/tasks", "raw_path": b"/tasks",
        "query_string": b"", "headers": [], "http_version": "1.1", "scheme": "http",
        "server": ("app", 80), "client": ("client", 1), "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


def test_its_statement_is_cancelled(db: Database, models: SimpleNamespace) -> None:
    app, outcomes = app_that_waits(db, models)

    async def main() -> None:
        started = time.monotonic()
        sent = await stay(app, seconds=0.4)
        assert 0.3 < time.monotonic() - started < 3
        assert sent[0]["status"] == 499  # for the log: nobody sees it
        await db.dispose_async()

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while not outcomes and time.monotonic() < deadline:
        time.sleep(0.01)  # on SQLite, a thread is on its way
    assert len(outcomes) == 1


def test_whoever_stays_is_answered(db: Database, models: SimpleNamespace) -> None:
    app, _ = app_that_waits(db, models)

    async def main() -> None:
        with db.statement_timeout(0.5):
            sent = await stay(app, seconds=20)
        assert sent[0]["status"] == 503
        await db.dispose_async()

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_a_deadline_ends_a_request(db: Database, models: SimpleNamespace, seconds: float) -> None:
    app, outcomes = app_that_waits(db, models, deadline=seconds)

    async def main() -> None:
        started = time.monotonic()
        sent = await stay(app, seconds=20)
        assert time.monotonic() - started < seconds + 2
        assert sent[0]["status"] == 503
        assert f"did not respond within {seconds:g} seconds".encode() in sent[1]["body"]
        assert b"urn:colonnade:busy" in sent[1]["body"]
        await db.dispose_async()

    asyncio.run(main())
    end = time.monotonic() + 5
    while not outcomes and time.monotonic() < end:
        time.sleep(0.01)  # on SQLite, a thread is on its way
    assert len(outcomes) == 1


def test_a_deadline_holds_for_a_write_that_waits_for_a_lock(
    db: Database, models: SimpleNamespace
) -> None:
    app = FastAPI()
    app.include_router(Resource(models.Task, db, deadline=0.5))
    with TestClient(app) as client:
        assert client.post("/tasks", json={"title": "a"}).status_code == 201
        with db.session() as session:  # somebody else has the row, or SQLite's one lock
            session.exec(update(models.Task).values(title="b"))
            started = time.monotonic()
            refused = client.patch("/tasks/1", json={"title": "c"})
            assert time.monotonic() - started < 2
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:colonnade:uncertain"
            assert refused.headers["Retry-After"] == "1"
            if not db.url.memory:  # there, who writes holds up who reads
                assert client.get("/tasks/1").json()["title"] == "a"
        assert client.get("/tasks/1").json()["title"] == "a"


def test_a_deadline_is_a_time(db: Database, models: SimpleNamespace) -> None:
    with pytest.raises(ModelError, match="deadline must be more than 0 seconds, or None, not 0"):
        Resource(models.Task, db, deadline=0)


def test_a_server_that_tells_of_no_departure_is_not_asked_for_ever(
    db: Database, models: SimpleNamespace
) -> None:
    app, _ = app_that_waits(db, models)
    calls = 0

    async def receive() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls > 100:
            await asyncio.sleep(20)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def main() -> None:
        with db.statement_timeout(0.5):
            sent = await ask(app, receive)
        assert sent[0]["status"] == 503
        await db.dispose_async()

    asyncio.run(main())
    assert calls < 5


@pytest.mark.parametrize("seconds", [0.1, 0.4])
def test_a_cancelled_request_stays_cancelled(
    db: Database, models: SimpleNamespace, seconds: float
) -> None:
    """By whoever runs the app, as at its shutdown: that is not the client."""
    app, _ = app_that_waits(db, models)

    async def main() -> None:
        task = asyncio.create_task(stay(app, seconds=20))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await db.dispose_async()

    asyncio.run(main())


def test_a_routes_statements_may_have_less_time(db: Database, models: SimpleNamespace) -> None:
    """As docs/reliability.md has it: a dependency around one operation."""
    if db.url.backend == "sqlite":
        pytest.skip("there, nothing that a request can ask takes so long")

    async def quickly() -> AsyncIterator[None]:
        with db.statement_timeout(0.2):
            yield

    tasks = Resource(models.Task, db, dependencies={"list": [Depends(quickly)]})
    with serving(tasks) as client, db.engine.connect() as holder:
        assert client.get("/tasks").status_code == 200
        holder.execute(text("LOCK TABLE task IN ACCESS EXCLUSIVE MODE"))
        started = time.monotonic()
        answer = client.get("/tasks")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:colonnade:busy")
        assert time.monotonic() - started < 2
