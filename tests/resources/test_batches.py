"""Many rows in one request, all of them or none."""

from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import AsyncSession, Database, Resource, Session, select
from tests.resources.world import serving


@pytest.fixture(autouse=True)
def rows(client: TestClient) -> None:
    made = client.post("/tasks:batch", json=[{"title": title} for title in "abc"])
    assert made.status_code == 201
    assert [row["title"] for row in made.json()] == ["a", "b", "c"]
    assert [row["id"] for row in made.json()] == [1, 2, 3]


def titles(client: TestClient) -> list[str]:
    return [row["title"] for row in client.get("/tasks").json()]


def test_rows_of_different_fields(client: TestClient) -> None:
    made = client.post(
        "/tasks:batch", json=[{"title": "d", "progress": 1}, {"title": "e", "tags": ["x"]}]
    )
    assert [(row["title"], row["progress"], row["tags"]) for row in made.json()] == [
        ("d", 1, []),
        ("e", 0, ["x"]),
    ]


@pytest.mark.parametrize(
    ("body", "status", "loc"),
    [
        ([{"title": "d"}, {"title": ""}], 422, ["body", 1, "title"]),
        ([{"title": "d"}, {"title": "e", "project_id": 9}], 409, ["body", "project_id"]),
        ([{"title": "d"}, {"title": "e\0"}], 422, ["body", 1, "title"]),
        ([], 422, ["body"]),
        ({"title": "d"}, 422, ["body"]),
        ([{"title": "x"}] * 1001, 422, ["body"]),
    ],
)
def test_one_that_is_wrong_and_none_is_created(
    client: TestClient, body: Any, status: int, loc: Any
) -> None:
    answer = client.post("/tasks:batch", json=body)
    assert answer.status_code == status, answer.text
    assert loc in [error["loc"] for error in answer.json()["errors"]]
    assert titles(client) == ["a", "b", "c"]


def test_rows_are_changed_by_their_keys_in_the_order_of_the_body(client: TestClient) -> None:
    answer = client.patch(
        "/tasks:batch", json=[{"id": 3, "title": "C"}, {"id": 1, "progress": 9}, {"id": 2}]
    )
    assert [(row["id"], row["title"], row["progress"]) for row in answer.json()] == [
        (3, "C", 0),
        (1, "a", 9),
        (2, "b", 0),
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([{"id": 1, "title": "A"}, {"id": 99, "title": "x"}], 404),
        ([{"id": 1, "title": "A"}, {"id": 2, "title": ""}], 422),
        ([{"id": 1, "title": "A"}, {"title": "x"}], 422),
        ([{"id": 1, "title": "A"}, {"id": "x"}], 422),
        ([{"id": 1, "title": "A"}, {"id": 2, "parent_id": 2}], 409),
        ([{"id": 1, "title": "A"}, 7], 422),
        ([], 422),
        ({}, 422),
    ],
)
def test_one_that_is_wrong_and_none_is_changed(client: TestClient, body: Any, status: int) -> None:
    answer = client.patch("/tasks:batch", json=body)
    assert answer.status_code == status, answer.text
    assert titles(client) == ["a", "b", "c"]


def test_rows_are_deleted_by_their_keys(client: TestClient) -> None:
    assert client.delete("/tasks:batch?key=1&key=3&key=1").json() == {"ok": True}
    assert titles(client) == ["b"]


def test_a_row_that_another_takes_along_is_deleted_with_it(client: TestClient) -> None:
    assert client.patch("/tasks/2", json={"parent_id": 1}).status_code == 200
    assert client.delete("/tasks:batch?key=1&key=2").json() == {"ok": True}
    assert titles(client) == ["c"]


def test_hooks_of_a_deletion_see_every_row_that_goes(
    db: Database, models: SimpleNamespace, client: TestClient
) -> None:
    tasks = Resource(models.Task, db)
    calls: list[tuple[str, int, bool]] = []

    @tasks.before("delete")
    def before(session: Session, key: tuple[int]) -> None:
        calls.append(("before", key[0], session.get(models.Task, key) is not None))

    @tasks.after("delete")
    async def after(session: AsyncSession, key: tuple[int]) -> None:
        found = await session.exec(select(models.Task).where(models.Task.id == key[0]))
        calls.append(("after", key[0], found.first() is not None))

    assert client.patch("/tasks/2", json={"parent_id": 1}).status_code == 200
    with serving(tasks) as hooked:
        assert hooked.delete("/tasks:batch?key=1&key=2").json() == {"ok": True}
        assert hooked.delete("/tasks:batch?key=3&key=99").status_code == 404
    assert calls[:4] == [
        ("before", 1, True), ("before", 2, True), ("after", 1, False), ("after", 2, False),
    ]  # fmt: skip
    assert titles(client) == ["c"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("key=1&key=99", 404), ("key=x", 422), ("", 422), ("id=1", 422), ("key=1&nope=2", 422)],
)
def test_one_that_is_wrong_and_none_is_deleted(client: TestClient, query: str, status: int) -> None:
    assert client.delete(f"/tasks:batch?{query}").status_code == status
    assert titles(client) == ["a", "b", "c"]
