"""What one request may cost: bodies, answers and query strings are bounded."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import Database, Field, Resource, SQLModel
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
    began = time.perf_counter()

    def ask() -> None:
        answer = notes.request(
            method, "/notes:batch", content=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422
        assert answer.json()["detail"] == "body: A batch has 1 to 1,000 rows, not 300,000"

    assert megabytes_of(ask) < 60
    assert time.perf_counter() - began < 2


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
    made = notes.post("/notes", json=body)
    assert (made.status_code, made.json()["data"]) == (201, body["data"])
