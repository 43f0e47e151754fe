"""Limits on what one request may cost: bodies, responses and query strings."""

import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel, text
from colonnade.database import Plan
from colonnade.writes._plan_cache import MAX_PLANS, PlanCache
from tests.resources.sample_app import serving


@pytest.fixture
def notes(db: Database) -> Iterator[TestClient]:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = ""
        data: dict[str, Any] = Field(default_factory=dict)

    db.create_all()
    with serving(Resource(Note, db)) as client:
        yield client


def megabytes_of(work: Callable[[], object]) -> float:
    """Return the peak memory that Python allocates for a call, in MiB."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("row", [b"1", b"{}"])
def test_a_batch_that_is_too_long_is_refused_before_its_rows_are_parsed(
    notes: TestClient, method: str, row: bytes
) -> None:
    body = b"[" + b",".join([row] * 300_000) + b"]"

    def send_batch() -> None:
        response = notes.request(
            method, "/notes:batch", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 422
        assert response.json()["detail"] == "body: A batch must have 1 to 1,000 rows, not 300,000"

    assert megabytes_of(send_batch) < 60


def test_a_response_lists_at_most_twenty_errors(notes: TestClient) -> None:
    unknown = notes.post("/notes", json={f"f{n}": n for n in range(5_000)})
    assert unknown.status_code == 422
    assert unknown.json()["detail"].endswith("(and at least 19 more)")
    assert len(unknown.json()["errors"]) == 20
    rows = notes.patch("/notes:batch", json=[{"id": "x"}] * 1000)
    assert len(rows.json()["errors"]) == 20
    many = notes.post("/notes", json={f"f{n}": n for n in range(50_000)})
    assert many.json()["detail"] == "body: 50,000 values are not valid"


def test_a_long_valid_body_is_stored(notes: TestClient) -> None:
    body = {"data": {"a": [1] * 200_000}}
    created = notes.post("/notes", json=body)
    assert (created.status_code, created.json()["data"]) == (201, body["data"])


@pytest.mark.slow
def test_a_page_that_is_too_large_has_fewer_rows(db: Database, notes: TestClient) -> None:
    notes.post("/notes:batch", json=[{"text": "x" * 2**19}, {"text": "y" * 2**19}] * 2)
    size = 4 * 2**20
    for n in range(20):  # 80 MiB, without sending them
        with db.session() as session:
            table = SQLModel.metadata.tables["note"]
            row = {"text": "z" * size, "data": {"n": n}}
            session.connection().execute(table.insert().values(row))
            session.commit()
    first = notes.get("/notes")
    assert first.status_code == 200
    assert 60 * 2**20 < len(first.content) <= 64 * 2**20
    second = notes.get(first.links["next"]["url"])
    assert [row["id"] for row in (*first.json(), *second.json())] == list(range(1, 25))
    assert "next" not in second.links
    back = notes.get("/notes?order_by=-id")
    assert [row["id"] for row in back.json()] == list(range(24, 24 - len(back.json()), -1))
    assert len(notes.get("/notes?fields=id").json()) == 24


@pytest.mark.slow
def test_a_row_that_is_too_large_for_a_response_is_named(db: Database, notes: TestClient) -> None:
    with db.session() as session:
        table = SQLModel.metadata.tables["note"]
        session.connection().execute(table.insert().values(text="z" * 65 * 2**20, data={}))
        session.commit()
    response = notes.get("/notes")
    assert response.status_code == 413
    assert response.json()["type"] == "urn:colonnade:answer_too_large"
    assert "larger than the maximum of 64 MiB" in response.json()["detail"]
    if db.url.backend == "postgresql":
        assert "The Note 1 is" in response.json()["detail"]
        assert notes.get("/notes?fields=id").json() == [{"id": 1}]


def test_the_digits_of_numbers_in_json_are_limited(notes: TestClient) -> None:
    """PostgreSQL writes 1e308 in JSON with 309 digits."""
    headers = {"Content-Type": "application/json"}
    body = b'{"data": {"a": [' + b",".join([b"1e308"] * 20_000) + b"]}}"
    refused = notes.post("/notes", content=body, headers=headers)
    assert refused.status_code == 422
    assert "expand to 6,160,000 digits" in refused.json()["detail"]
    assert notes.post("/notes", json={"data": {"a": [1e308, -1e-308, 0.0, 1.5]}}).status_code == 201


def test_the_plan_cache_is_limited_by_size() -> None:
    plans = PlanCache()
    for n in range(50):
        plans.get(("page", "x" * 10_000, n), lambda: Plan(text("SELECT 1")))
    assert len(plans._plans) < 10
    assert plans._length < 100_000


def test_threads_share_a_plan_cache() -> None:
    cache = PlanCache()

    def use(start: int) -> None:
        for number in range(start, start + MAX_PLANS + 20):
            cache.get(("page", number), partial(Plan, text("SELECT 1")))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, (0, 5, 10, 15)))

    assert len(cache._plans) == MAX_PLANS
    assert cache._length == sum(len(repr(structure)) for structure in cache._plans)
