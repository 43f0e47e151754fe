"""Random upserts and replacements have the same answers on both databases, one by one or not."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi.testclient import TestClient

from colonnade import (
    CheckConstraint,
    Database,
    Field,
    Index,
    Resource,
    SQLModel,
    UniqueConstraint,
    col,
)
from colonnade.resources import OPERATIONS
from tests.resources.sample_app import serving

pytestmark = pytest.mark.slow

KEYS = ("id", "slug", "shop,item", "mail")


def define_item() -> Any:
    class Item(SQLModel, table=True):
        __table_args__ = (
            UniqueConstraint("shop", "item"),
            CheckConstraint("count < 8", name="ck_item_count"),
        )
        id: str = Field(primary_key=True)
        slug: str | None = Field(default=None, unique=True)
        shop: str = "s0"
        item: str | None = None
        mail: str | None = None
        active: bool = True
        count: int = 0
        mark: str | None = Field(
            default=None, nullable=False, sa_column_kwargs={"server_default": "none"}
        )

    condition = col(Item.active).is_(True)
    Index(
        "uq_item_mail", col(Item.mail), unique=True, sqlite_where=condition,
        postgresql_where=condition,
    )  # fmt: skip
    return Item


@pytest.fixture
def clients(postgresql_database: str, tmp_path: Path) -> Iterator[Any]:
    """Clients of an app on SQLite, and of one on PostgreSQL."""
    item = define_item()
    databases = [Database(f"sqlite:///{tmp_path / 'a.db'}"), Database(postgresql_database)]
    for db in databases:
        db.create_all()
    sqlite, postgresql = (Resource(item, db, operations=OPERATIONS) for db in databases)
    with serving(sqlite) as first, serving(postgresql) as second:
        yield first, second
    for db in databases:
        db.dispose()


def body(random: Random) -> dict[str, Any]:
    row: dict[str, Any] = {"id": f"i{random.randrange(4)}"}
    choices: dict[str, list[Any]] = {
        "slug": ["a", "b", None], "shop": ["s0", "s1"], "item": ["x", None], "mail": ["m", "n"],
        "active": [True, False], "count": [1, 2, 9], "mark": ["y"],
    }  # fmt: skip
    for name in random.sample(sorted(choices), random.randrange(5)):
        row[name] = random.choice(choices[name])
    return row


def parameters(random: Random) -> str:
    query = f"on_conflict={random.choice(KEYS)}"
    return query + random.choice(["", "", "&keep=true", "&update=count", "&update=mark,slug"])


def send(client: TestClient, request: tuple[str, str, Any, dict[str, str]]) -> tuple[int, Any]:
    method, path, content, headers = request
    response = client.request(method, path, json=content, headers=headers)
    answer = response.json()
    if response.status_code >= 400:
        # Of several violated constraints, each database names another one.
        return response.status_code, answer["type"]
    return response.status_code, answer


@pytest.mark.parametrize("seed", range(6))
def test_random_requests_have_the_same_answers_on_both_databases(clients: Any, seed: int) -> None:
    random = Random(seed)
    for _ in range(150):
        kind = random.choice(["upsert", "upsert", "batch", "put", "delete"])
        request: tuple[str, str, Any, dict[str, str]]
        if kind == "upsert":
            request = ("POST", f"/items?{parameters(random)}", body(random), {})
        elif kind == "batch":
            rows = [body(random) for _ in range(random.randrange(1, 4))]
            request = ("POST", f"/items:batch?{parameters(random)}", rows, {})
        elif kind == "put":
            row = body(random)
            headers = random.choice([{}, {}, {"If-Match": "*"}, {"If-None-Match": "*"}])
            request = ("PUT", f"/items/{row['id']}", row, headers)
        else:
            request = ("DELETE", f"/items/i{random.randrange(4)}", None, {})
        on_sqlite, on_postgresql = (send(client, request) for client in clients)
        assert on_sqlite == on_postgresql, request
        stored = [client.get("/items").json() for client in clients]
        assert stored[0] == stored[1], request


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_has_the_result_of_its_rows_in_order(clients: Any, seed: int) -> None:
    random = Random(seed)
    one_by_one, batch = clients
    for _ in range(60):
        query = parameters(random)
        rows = [body(random) for _ in range(random.randrange(2, 5))]
        before = one_by_one.get("/items").json()
        answers = [send(one_by_one, ("POST", f"/items?{query}", row, {})) for row in rows]
        status, answer = send(batch, ("POST", f"/items:batch?{query}", rows, {}))
        if all(code < 400 for code, _ in answers):
            assert answer == [row for _, row in answers], (query, rows)
            assert status == (201 if all(code == 201 for code, _ in answers) else 200)
        else:
            assert status == next(code for code, _ in answers if code >= 400), (query, rows)
            for row in one_by_one.get("/items").json():
                one_by_one.delete(f"/items/{row['id']}")
            if before:
                assert one_by_one.post("/items:batch", json=before).status_code == 201
        stored = [client.get("/items").json() for client in clients]
        assert stored[0] == stored[1], (query, rows)
