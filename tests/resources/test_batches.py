"""Batches: many rows in one request, all or none."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from pydantic_core import to_json
from sqlalchemy import ARRAY, Integer, String, TypeDecorator, func
from sqlalchemy import Enum as SAEnum
from sqlalchemy.dialects.postgresql import INET

from colonnade import (
    AsyncSession,
    CheckConstraint,
    Database,
    Field,
    Resource,
    Session,
    SQLModel,
    Versioned,
    schemas,
    select,
)
from tests.resources.sample_app import serving, statements
from tests.rows.test_column_codecs import Example, tables


@pytest.fixture(autouse=True)
def rows(client: TestClient) -> None:
    created = client.post("/tasks:batch", json=[{"title": title} for title in "abc"])
    assert created.status_code == 201
    assert [row["title"] for row in created.json()] == ["a", "b", "c"]
    assert [row["id"] for row in created.json()] == [1, 2, 3]


def titles(client: TestClient) -> list[str]:
    return [row["title"] for row in client.get("/tasks").json()]


def test_rows_may_have_different_fields(client: TestClient) -> None:
    created = client.post(
        "/tasks:batch", json=[{"title": "d", "progress": 1}, {"title": "e", "tags": ["x"]}]
    )
    assert [(row["title"], row["progress"], row["tags"]) for row in created.json()] == [
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
def test_an_invalid_row_prevents_the_whole_create(
    client: TestClient, body: Any, status: int, loc: Any
) -> None:
    response = client.post("/tasks:batch", json=body)
    assert response.status_code == status, response.text
    assert loc in [error["loc"] for error in response.json()["errors"]]
    assert titles(client) == ["a", "b", "c"]


def test_updated_rows_are_returned_in_the_order_of_the_body(client: TestClient) -> None:
    response = client.patch(
        "/tasks:batch", json=[{"id": 3, "title": "C"}, {"id": 1, "progress": 9}, {"id": 2}]
    )
    assert [(row["id"], row["title"], row["progress"]) for row in response.json()] == [
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
def test_an_invalid_row_prevents_the_whole_update(
    client: TestClient, body: Any, status: int
) -> None:
    response = client.patch("/tasks:batch", json=body)
    assert response.status_code == status, response.text
    assert titles(client) == ["a", "b", "c"]


def test_rows_are_deleted_by_their_keys(client: TestClient) -> None:
    assert client.delete("/tasks:batch?key=1&key=3&key=1").json() == {"ok": True}
    assert titles(client) == ["b"]


def test_a_delete_may_name_a_row_that_a_cascade_deletes(client: TestClient) -> None:
    assert client.patch("/tasks/2", json={"parent_id": 1}).status_code == 200
    assert client.delete("/tasks:batch?key=1&key=2").json() == {"ok": True}
    assert titles(client) == ["c"]


def test_delete_hooks_see_rows_that_a_cascade_deletes(
    db: Database, models: SimpleNamespace, client: TestClient
) -> None:
    tasks = Resource(models.Task, db)
    calls: list[tuple[str, int, bool]] = []

    @tasks.before("delete")
    def before(session: Session, key: tuple[int]) -> None:
        calls.append(("before", key[0], session.get(models.Task, key) is not None))

    @tasks.after("delete")
    async def after(session: AsyncSession, key: tuple[int]) -> None:
        result = await session.exec(select(models.Task).where(models.Task.id == key[0]))
        calls.append(("after", key[0], result.first() is not None))

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
def test_an_invalid_key_prevents_the_whole_delete(
    client: TestClient, query: str, status: int
) -> None:
    assert client.delete(f"/tasks:batch?{query}").status_code == status
    assert titles(client) == ["a", "b", "c"]


# A bulk statement has the same results as single requests


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(example=tables())
def test_a_batch_creates_the_same_rows_as_single_requests(db: Database, example: Example) -> None:
    table = example.model.__table__
    table.create(db.engine)
    create = schemas(example.model).create
    bodies = [to_json(create.model_construct(**row), by_alias=False) for row in example.rows]
    headers = {"Content-Type": "application/json"}
    try:
        with serving(Resource(example.model, db, prefix="/rows")) as client:
            single_responses = [
                client.post("/rows", content=body, headers=headers) for body in bodies
            ]
            batch = b"[" + b",".join(bodies) + b"]"
            batch_response = client.post("/rows:batch", content=batch, headers=headers)
    finally:
        table.drop(db.engine)
        SQLModel.metadata.remove(table)
    assert {response.status_code for response in single_responses} <= {201}
    assert batch_response.status_code == (201 if bodies else 422), batch_response.text
    if bodies:
        assert [{**row, "id": 0} for row in batch_response.json()] == [
            {**response.json(), "id": 0} for response in single_responses
        ]


def test_many_created_rows_are_returned_in_the_order_of_the_body(client: TestClient) -> None:
    bodies = [{"title": f"{(number * 7919) % 1000}"} for number in range(1000)]
    created = client.post("/tasks:batch", json=bodies).json()
    assert [{"title": row["title"]} for row in created] == bodies
    assert [row["id"] for row in created] == list(range(4, 1004))
    assert len({row["created_at"] for row in created}) == 1


def test_only_some_rows_of_a_batch_may_have_a_parent(client: TestClient) -> None:
    created = client.post(
        "/tasks:batch", json=[{"title": "d", "parent_id": 1}, {"title": "e"}, {"title": "f"}]
    )
    assert [(row["title"], row["parent_id"]) for row in created.json()] == [
        ("d", 1), ("e", None), ("f", None),
    ]  # fmt: skip


def test_a_python_default_is_called_for_each_row(db: Database) -> None:
    numbers = itertools.count(1)

    class Ticket(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        title: str
        code: int = Field(
            default=0, readonly=True, sa_column_kwargs={"default": lambda: next(numbers)}
        )

    db.create_all()
    with serving(Resource(Ticket, db)) as client:
        created = client.post("/tickets:batch", json=[{"title": "a"}, {"title": "b"}]).json()
    assert [row["code"] for row in created] == [1, 2]


class Uppercase(TypeDecorator[str]):
    """A type with a bind expression."""

    impl = String
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return func.upper(bindparam)


@pytest.mark.only_on("postgresql")
def test_values_that_cannot_be_passed_as_arrays_are_written(db: Database) -> None:
    class Series(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        points: list[int] = Field(sa_type=ARRAY(Integer))
        mood: str = Field(sa_type=SAEnum("good", "bad", name="mood"))
        address: str = Field(sa_type=INET)
        name: str = Field(sa_type=Uppercase)

    db.create_all()
    with serving(Resource(Series, db, prefix="/series")) as client:
        rows = [
            {"points": [1, 2], "mood": "good", "address": "10.0.0.1", "name": "a"},
            {"points": [], "mood": "bad", "address": "10.0.0.2", "name": "b"},
        ]
        created = client.post("/series:batch", json=rows)
        assert created.status_code == 201, created.text
        assert [(row["points"], row["mood"], row["name"]) for row in created.json()] == [
            ([1, 2], "good", "A"), ([], "bad", "B"),
        ]  # fmt: skip
        changes = [{"id": 2, "points": [3], "name": "c"}, {"id": 1, "points": [4, 5], "name": "d"}]
        changed = client.patch("/series:batch", json=changes).json()
        assert [(row["points"], row["name"]) for row in changed] == [([3], "C"), ([4, 5], "D")]


def test_many_updated_rows_are_returned_in_the_order_of_the_body(client: TestClient) -> None:
    created = client.post("/tasks:batch", json=[{"title": str(n)} for n in range(500)]).json()
    changes = [{"id": row["id"], "progress": row["id"] % 100} for row in reversed(created)]
    changed = client.patch("/tasks:batch", json=changes).json()
    assert [{"id": row["id"], "progress": row["progress"]} for row in changed] == changes
    assert {row["updated_at"] > row["created_at"] for row in changed} == {True}


def test_a_row_that_occurs_twice_is_updated_twice(client: TestClient) -> None:
    changed = client.patch(
        "/tasks:batch",
        json=[{"id": 1, "title": "x"}, {"id": 2, "title": "y"}, {"id": 1, "title": "z"}],
    )
    assert [row["title"] for row in changed.json()] == ["x", "y", "z"]
    assert titles(client) == ["z", "y", "c"]


def test_unique_values_are_updated_in_the_order_of_the_body(db: Database) -> None:
    class Step(Versioned, table=True):
        id: int | None = Field(default=None, primary_key=True)
        place: int = Field(unique=True)

    db.create_all()
    with serving(Resource(Step, db)) as client:
        keys = range(1, 31)
        created = client.post("/steps:batch", json=[{"place": key} for key in keys]).json()
        up = [{"id": key, "place": key + 1} for key in reversed(keys)]
        with statements(db, client) as seen:
            changed = client.patch("/steps:batch", json=up)
        assert len([statement for statement in seen if statement.startswith("UPDATE")]) == len(up)
        assert changed.status_code == 200, changed.text
        assert [{"id": row["id"], "place": row["place"]} for row in changed.json()] == up
        versions = {row["id"]: row["version"] for row in changed.json()}
        assert versions == {row["id"]: row["version"] + 1 for row in created}
        down = [{"id": key, "place": key} for key in keys]
        assert client.patch("/steps:batch", json=down[::-1]).status_code == 409
        assert client.patch("/steps:batch", json=down).status_code == 200


def test_a_batch_updates_rows_with_composite_keys(db: Database) -> None:
    class Seat(Versioned, table=True):
        line: str = Field(primary_key=True)
        number: int = Field(primary_key=True)
        taken: bool = False
        tags: list[str] = Field(default_factory=list)

    db.create_all()
    with serving(Resource(Seat, db)) as client:
        body = [{"line": a, "number": n} for a in "AB" for n in (1, 2)]
        created = client.post("/seats:batch", json=body).json()
        versions = {(row["line"], row["number"]): row["version"] for row in created}
        changes = [
            {"line": "B", "number": 1, "taken": True, "tags": ["x"]},
            {"line": "A", "number": 2, "taken": False, "tags": []},
        ]
        changed = client.patch("/seats:batch", json=changes).json()
        keys = [(change["line"], change["number"]) for change in changes]
        assert changed == [
            {**change, "version": versions[key] + 1}
            for change, key in zip(changes, keys, strict=True)
        ]
        assert client.patch("/seats:batch", json=[{**changes[0], "number": 9}]).status_code == 404


def test_clients_may_choose_the_keys_of_a_batch(db: Database) -> None:
    class Word(SQLModel, table=True):
        name: str = Field(primary_key=True)

    db.create_all()
    with serving(Resource(Word, db)) as client:
        created = client.post("/words:batch", json=[{"name": name} for name in "cab"])
        assert [row["name"] for row in created.json()] == ["c", "a", "b"]
        again = client.post("/words:batch", json=[{"name": name} for name in "xay"])
        assert again.status_code == 409
        assert [row["name"] for row in client.get("/words").json()] == ["a", "b", "c"]


@pytest.mark.slow
def test_a_batch_may_delete_hundreds_of_rows(db: Database) -> None:
    class Row(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    with serving(Resource(Row, db)) as client:
        created = client.post("/rows:batch", json=[{}] * 800).json()
        query = "&".join(f"key={row['id']}" for row in created)
        assert client.delete(f"/rows:batch?{query}").json() == {"ok": True}
        assert client.get("/rows").json() == []


@pytest.mark.parametrize(
    ("method", "refused"),
    [
        ("POST", ["foreign_key", "unique"]),
        ("POST", ["unique", "foreign_key"]),
        ("POST", ["invalid", "unique"]),
        ("PATCH", ["not_found", "invalid"]),
        ("PATCH", ["invalid", "not_found"]),
        ("PATCH", ["foreign_key", "not_found"]),
    ],
)
def test_the_error_of_a_batch_is_that_of_its_first_refused_row(
    db: Database, method: str, refused: list[str]
) -> None:
    class Shelf(SQLModel, table=True):
        id: str = Field(primary_key=True)

    class Book(SQLModel, table=True):
        __table_args__ = (CheckConstraint("pages <> 13", name="ck_book_pages"),)
        id: str = Field(primary_key=True)
        pages: int = 0
        shelf_id: str | None = Field(default=None, foreign_key="shelf.id")

    db.create_all()
    new = {
        "foreign_key": {"id": "x", "shelf_id": "none", "pages": 0},
        "unique": {"id": "a", "shelf_id": None, "pages": 0},
        "invalid": {"id": "y", "shelf_id": None, "pages": 13},
    }
    changes = {
        "foreign_key": {"id": "a", "shelf_id": "none"},
        "not_found": {"id": "none", "shelf_id": None},
        "invalid": {"id": "b", "pages": 13},
    }
    with serving(Resource(Book, db)) as client:
        assert client.post("/books:batch", json=[{"id": "a"}, {"id": "b"}]).status_code == 201
        rows = [(new if method == "POST" else changes)[kind] for kind in refused]
        response = client.request(method, "/books:batch", json=rows)
        assert response.json()["type"] == f"urn:colonnade:{refused[0]}", response.text
        stored = client.get("/books").json()
        assert stored == [{"id": key, "pages": 0, "shelf_id": None} for key in "ab"]
