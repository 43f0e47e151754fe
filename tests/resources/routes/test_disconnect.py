"""Disconnects and deadlines: they cancel the statement of a request."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from sqlalchemy import Connection, text

from colonnade import Database, Resource, update
from colonnade.errors import ModelError
from colonnade.resources.routes._disconnect import DISCONNECT_CHECK_AFTER, cancel_on_disconnect
from colonnade.resources.routes._request_context import context_of
from tests.resources.sample_app import serving

SLOW = {
    "postgresql": "SELECT pg_sleep(20)",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT sum(i) FROM n",
}


def app_with_slow_list(
    db: Database, models: SimpleNamespace, deadline: float | None = 30
) -> tuple[FastAPI, list[str]]:
    """Build an app whose list of tasks never ends; its errors are added to the returned list."""
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


async def request_then_disconnect(app: FastAPI, *, seconds: float) -> list[dict[str, Any]]:
    """Request the list, disconnect after some seconds, and return the messages of the app."""
    disconnected = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, disconnected.set)
    body_sent = False

    async def receive() -> dict[str, Any]:
        nonlocal body_sent
        if not body_sent:
            body_sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await disconnected.wait()
        return {"type": "http.disconnect"}

    return await request_list(app, receive)


async def request_list(app: FastAPI, receive: Callable[[], Awaitable[Any]]) -> list[dict[str, Any]]:
    """Request the list, and return the messages of the app."""
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


def test_a_disconnect_cancels_the_statement(db: Database, models: SimpleNamespace) -> None:
    app, outcomes = app_with_slow_list(db, models)

    async def main() -> None:
        started = time.monotonic()
        sent = await request_then_disconnect(app, seconds=0.4)
        assert 0.3 < time.monotonic() - started < 3
        assert sent[0]["status"] == 499  # for the log: no client sees it
        await db.dispose_async()

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while not outcomes and time.monotonic() < deadline:
        time.sleep(0.01)  # on SQLite, the statement runs in a thread
    assert len(outcomes) == 1


def test_a_client_that_waits_gets_a_response(db: Database, models: SimpleNamespace) -> None:
    app, _ = app_with_slow_list(db, models)

    async def main() -> None:
        with db.statement_timeout(0.5):
            sent = await request_then_disconnect(app, seconds=20)
        assert sent[0]["status"] == 503
        await db.dispose_async()

    asyncio.run(main())


@pytest.mark.parametrize("seconds", [0.1, 0.5])
def test_a_deadline_cancels_the_statement(
    db: Database, models: SimpleNamespace, seconds: float
) -> None:
    app, outcomes = app_with_slow_list(db, models, deadline=seconds)

    async def main() -> None:
        started = time.monotonic()
        sent = await request_then_disconnect(app, seconds=20)
        assert time.monotonic() - started < seconds + 2
        assert sent[0]["status"] == 503
        assert f"did not respond within {seconds:g} s".encode() in sent[1]["body"]
        assert b"urn:colonnade:busy" in sent[1]["body"]
        await db.dispose_async()

    asyncio.run(main())
    end = time.monotonic() + 5
    while not outcomes and time.monotonic() < end:
        time.sleep(0.01)  # on SQLite, the statement runs in a thread
    assert len(outcomes) == 1


def test_a_deadline_applies_to_a_write_that_waits_for_a_lock(
    db: Database, models: SimpleNamespace
) -> None:
    app = FastAPI()
    app.include_router(Resource(models.Task, db, deadline=0.5))
    with TestClient(app) as client:
        assert client.post("/tasks", json={"title": "a"}).status_code == 201
        with db.session() as session:  # another session holds the lock
            session.exec(update(models.Task).values(title="b"))
            started = time.monotonic()
            refused = client.patch("/tasks/1", json={"title": "c"})
            assert time.monotonic() - started < 2
            assert refused.status_code == 503
            assert refused.json()["type"] == "urn:colonnade:uncertain"
            assert refused.headers["Retry-After"] == "1"
            if not db.url.memory:  # an in-memory database has one connection: reads wait for writes
                assert client.get("/tasks/1").json()["title"] == "a"
        assert client.get("/tasks/1").json()["title"] == "a"


def test_a_deadline_must_be_positive(db: Database, models: SimpleNamespace) -> None:
    with pytest.raises(ModelError, match="deadline must be more than 0 seconds, or None, not 0"):
        Resource(models.Task, db, deadline=0)


def test_a_server_that_repeats_the_empty_body_is_not_polled(
    db: Database, models: SimpleNamespace
) -> None:
    app, _ = app_with_slow_list(db, models)
    calls = 0

    async def receive() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls > 100:
            await asyncio.sleep(20)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def main() -> None:
        with db.statement_timeout(0.5):
            sent = await request_list(app, receive)
        assert sent[0]["status"] == 503
        await db.dispose_async()

    asyncio.run(main())
    assert calls < 5


@pytest.mark.parametrize("seconds", [0.1, 0.4])
def test_a_cancelled_request_stays_cancelled(
    db: Database, models: SimpleNamespace, seconds: float
) -> None:
    """The server cancels it, as at a shutdown; the client has not disconnected."""
    app, _ = app_with_slow_list(db, models)

    async def main() -> None:
        task = asyncio.create_task(request_then_disconnect(app, seconds=20))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await db.dispose_async()

    asyncio.run(main())


def test_a_dependency_may_shorten_the_statement_timeout(
    db: Database, models: SimpleNamespace
) -> None:
    """The dependency of one operation sets a timeout, as in docs/reliability.md."""
    if db.url.backend == "sqlite":
        pytest.skip("no request takes that long on SQLite")

    async def short_timeout() -> AsyncIterator[None]:
        with db.statement_timeout(0.2):
            yield

    tasks = Resource(models.Task, db, dependencies={"list": [Depends(short_timeout)]})
    with serving(tasks) as client, db.engine.connect() as holder:
        assert client.get("/tasks").status_code == 200
        holder.execute(text("LOCK TABLE task IN ACCESS EXCLUSIVE MODE"))
        started = time.monotonic()
        response = client.get("/tasks")
        assert (response.status_code, response.json()["type"]) == (503, "urn:colonnade:busy")
        assert time.monotonic() - started < 2


def test_each_request_is_watched_with_its_context_variables() -> None:
    number: ContextVar[int] = ContextVar("number", default=-1)
    seen: list[tuple[int, int]] = []

    async def serve(mine: int) -> None:
        number.set(mine)

        async def receive() -> Any:
            seen.append((mine, number.get()))
            await asyncio.get_running_loop().create_future()

        request = Request({"type": "http", "headers": []}, receive)
        await cancel_on_disconnect(request, asyncio.sleep(DISCONNECT_CHECK_AFTER + 0.1))

    async def main() -> None:
        await asyncio.gather(*(serve(mine) for mine in range(3)))

    asyncio.run(main())
    assert seen == [(0, 0), (1, 1), (2, 2)]
