"""What one request may cost: bodies, answers and query strings are bounded."""

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel, text
from colonnade.database import Plan
from colonnade.resources._plan_cache import PlanCache
from tests.resources.world import serving


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
    """The most memory that Python has taken for something."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("row", [b"1", b"{}"])
def test_a_batch_is_counted_before_its_rows_are_read(
    notes: TestClient, method: str, row: bytes
) -> None:
    body = b"[" + b",".join([row] * 300_000) + b"]"

    def ask() -> None:
        answer = notes.request(
            method, "/notes:batch", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.json()["detail"] == "body: A batch must have 1 to 1,000 rows, not 300,000"

    assert megabytes_of(ask) < 60


def test_an_answer_names_twenty_errors_at_most(notes: TestClient) -> None:
    unknown = notes.post("/notes", json={f"f{n}": n for n in range(5_000)})
    assert unknown.status_code == 422
    assert unknown.json()["detail"].endswith("(and at least 19 more)")
    assert len(unknown.json()["errors"]) == 20
    rows = notes.patch("/notes:batch", json=[{"id": "x"}] * 1000)
    assert len(rows.json()["errors"]) == 20
    many = notes.post("/notes", json={f"f{n}": n for n in range(50_000)})
    assert many.json()["detail"] == "body: 50,000 values are not valid"


def test_a_long_body_that_is_right_is_stored(notes: TestClient) -> None:
    body = {"data": {"a": [1] * 200_000}}
    created = notes.post("/notes", json=body)
    assert (created.status_code, created.json()["data"]) == (201, body["data"])


def test_a_page_that_is_too_large_ends_early(db: Database, notes: TestClient) -> None:
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


def test_a_row_that_is_too_large_for_an_answer_is_named(db: Database, notes: TestClient) -> None:
    with db.session() as session:
        table = SQLModel.metadata.tables["note"]
        session.connection().execute(table.insert().values(text="z" * 65 * 2**20, data={}))
        session.commit()
    answer = notes.get("/notes")
    assert answer.status_code == 413
    assert answer.json()["type"] == "urn:colonnade:answer_too_large"
    assert "larger than the 64 MiB of an answer" in answer.json()["detail"]
    if db.url.backend == "postgresql":
        assert "The Note 1 is" in answer.json()["detail"]
        assert notes.get("/notes?fields=id").json() == [{"id": 1}]


def test_numbers_that_a_database_writes_in_full_are_bounded(notes: TestClient) -> None:
    """PostgreSQL writes 1e308 in JSON with 309 digits."""
    headers = {"Content-Type": "application/json"}
    body = b'{"data": {"a": [' + b",".join([b"1e308"] * 20_000) + b"]}}"
    refused = notes.post("/notes", content=body, headers=headers)
    assert refused.status_code == 422
    assert "stand for 6,160,000 digits" in refused.json()["detail"]
    assert notes.post("/notes", json={"data": {"a": [1e308, -1e-308, 0.0, 1.5]}}).status_code == 201


def test_plans_are_forgotten_by_their_size() -> None:
    plans = PlanCache()
    for n in range(50):
        plans.get(("page", "x" * 10_000, n), lambda: Plan(text("SELECT 1")))
    assert len(plans._plans) < 10
    assert plans._length < 100_000
