"""What a request costs, counted instead of timed: function calls, and work for the collector.

A change that makes requests call more functions of Colonnade fails here. If that is what it needs,
or if they call fewer now, write the new figures:

    python -m pytest tests/resources/test_costs.py --write-costs
"""

import asyncio
import cProfile
import gc
import json
import math
import pstats
import sys
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
from fastapi import FastAPI

import colonnade
from colonnade import Database
from colonnade.database.statements import _short_reads
from colonnade.writes._etags import ETags
from tests.resources.sample_app import all_resources

FIGURES = Path(__file__).parent / "costs.json"
PACKAGE = str(Path(colonnade.__file__).parent)
REQUESTS = 40
TOLERANCE = 0.03
"""The share by which a figure may rise; timers add a call or two to forty requests."""

T = TypeVar("T")

Send = Callable[[int], Awaitable[None]]


def request(method: str, path: str, query: str = "", body: Any = None) -> Callable[..., Any]:
    """Build a request of the app; ``{}`` in the path is the number of the request."""
    content = b"" if body is None else json.dumps(body).encode()

    async def send(app: FastAPI, number: int) -> None:
        received, status = False, 0

        async def receive() -> dict[str, Any]:
            nonlocal received
            if received:
                await asyncio.get_running_loop().create_future()
            received = True
            return {"type": "http.request", "body": content, "more_body": False}

        async def respond(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)

        url = path.format(number)
        headers = [(b"content-type", b"application/json")] if content else []
        scope = {
            "type": "http", "method": method, "path": url, "raw_path": url.encode(),
            "query_string": query.encode(), "headers": headers, "http_version": "1.1",
            "scheme": "http", "server": ("app", 80), "client": ("client", 1), "root_path": "",
        }  # fmt: skip
        await app(scope, receive, respond)
        assert status in {200, 201}

    return send


WORKLOADS = {
    "list of 100": request("GET", "/tasks", "limit=100"),
    "nested list": request("GET", "/tasks", "limit=100&include=project,assignments.worker"),
    "filtered page": request("GET", "/tasks", "status=pending&order_by=-created_at&limit=20"),
    "one row": request("GET", "/tasks/1"),
    "create": request("POST", "/tasks", body={"title": "New", "progress": 3}),
    "patch": request("PATCH", "/tasks/1", body={"title": "Other"}),
    "delete": request("DELETE", "/tasks/{}"),
    "batch of 100": request("POST", "/labels:batch", body=[{"name": "a"}] * 100),
}


@pytest.fixture(autouse=True)
def any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's reads run in the event loop, also on a busy machine."""
    monkeypatch.setattr(_short_reads, "MAX_THREAD_TIME", math.inf)
    monkeypatch.setattr(_short_reads, "MAX_LOOP_TIME", math.inf)


@pytest.fixture
def app(db: Database, models: SimpleNamespace) -> FastAPI:
    app = FastAPI()
    for resource in all_resources(db, models):
        app.include_router(resource)
    with db.session() as session:
        session.add(models.Project(name="Web", slug="web"))
        session.commit()
        session.add_all([models.Task(title="One", project_id=1) for _ in range(200)])
        session.commit()
    return app


def measure(
    app: FastAPI, db: Database, measure_one: Callable[[Send], Awaitable[T]]
) -> dict[str, T]:
    """Measure the requests of each workload in one event loop, once everything is prepared."""

    async def main() -> dict[str, T]:
        measured = {}
        for workload, send in WORKLOADS.items():
            numbers = count(1)

            async def send_next(requests: int, send: Any = send, numbers: Any = numbers) -> None:
                for _ in range(requests):
                    await send(app, next(numbers))

            await send_next(5)
            measured[workload] = await measure_one(send_next)
        await db.dispose_async()
        return measured

    return asyncio.run(main())


async def calls_per_request(send: Send) -> float:
    """Count the calls of Colonnade's functions in the event loop's thread."""
    profile = cProfile.Profile()
    profile.enable()
    await send(REQUESTS)
    profile.disable()
    functions: Any = pstats.Stats(profile)
    calls: int = sum(
        total for (path, *_), (_, total, *_) in functions.stats.items() if path.startswith(PACKAGE)
    )
    return calls / REQUESTS


async def work_for_the_collector(send: Send) -> tuple[float, float]:
    """Count the objects that a request leaves behind, and those in cycles among them.

    Other threads of the test run may leave some as well, so the lowest counts of three are taken.
    """
    counts = [await _work_for_the_collector(send) for _ in range(3)]
    return min(left for left, _ in counts), min(in_cycles for _, in_cycles in counts)


async def _work_for_the_collector(send: Send) -> tuple[float, float]:
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        await send(REQUESTS)
        await asyncio.sleep(0.02)  # until the worker thread has let go of the last one
        left = len(gc.get_objects()) - before
        return left / REQUESTS, gc.collect() / REQUESTS
    finally:
        gc.enable()


def risen(backend: str, calls: dict[str, float]) -> list[str]:
    """Compare with the figures in the file: the workloads that call more functions."""
    figures = json.loads(FIGURES.read_text())[backend]
    return [
        f"{workload}: {calls[workload]} calls of functions, and {figure} before"
        for workload, figure in figures.items()
        if calls[workload] / figure > 1 + TOLERANCE
    ]


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the figures are those of Python 3.11")
def test_requests_call_no_more_functions(
    db: Database, app: FastAPI, pytestconfig: pytest.Config
) -> None:
    calls = measure(app, db, calls_per_request)
    backend = db.url.backend
    if pytestconfig.getoption("--write-costs"):
        rounded = {workload: round(each, 1) for workload, each in calls.items()}
        figures = json.loads(FIGURES.read_text()) | {backend: rounded}
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    assert risen(backend, calls) == []


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the figures are those of Python 3.11")
def test_a_rise_is_noticed(db: Database, app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    tag = ETags.of

    def repeated(self: ETags, state: str, body: bytes) -> Any:
        for _ in range(3):
            tag(self, state, body)
        return tag(self, state, body)

    monkeypatch.setattr(ETags, "of", repeated)
    calls = measure(app, db, calls_per_request)
    assert [each.partition(":")[0] for each in risen(db.url.backend, calls)] == [
        "one row", "create", "patch",
    ]  # fmt: skip


def test_requests_leave_little_to_the_collector(db: Database, app: FastAPI) -> None:
    for workload, (left, in_cycles) in measure(app, db, work_for_the_collector).items():
        assert left < 2, workload
        assert in_cycles < 0.1, workload
