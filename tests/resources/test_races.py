"""Concurrent requests have the results that they could have one after another."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from types import SimpleNamespace
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from colonnade import AsyncSession, Database, Field, Resource, SQLModel, select
from tests.resources.sample_app import all_resources

Send = Callable[..., Awaitable[Any]]


@pytest.fixture
def run_concurrently(db: Database, models: SimpleNamespace) -> Callable[..., Any]:
    """Run a scenario whose requests may be concurrent."""
    app = FastAPI(lifespan=db.lifespan)
    for resource in all_resources(db, models):
        app.include_router(resource)

    def run(scenario: Callable[[Send], Awaitable[None]]) -> None:
        async def main() -> None:
            transport = httpx2.ASGITransport(app)
            async with (
                db.lifespan(app),
                httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
            ):
                await scenario(client.request)

        asyncio.run(main())

    return run


def statuses(responses: list[Any]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


def test_concurrent_moves_make_no_cycle(run_concurrently: Any) -> None:
    async def scenario(send: Send) -> None:
        for _ in range(8):
            rows = [{"title": title} for title in "ABC"]
            a, b, c = [row["id"] for row in (await send("POST", "/tasks:batch", json=rows)).json()]
            moves = ((a, b), (b, c), (c, a))
            responses = await asyncio.gather(
                *(
                    send("PATCH", f"/tasks/{child}", json={"parent_id": above})
                    for child, above in moves
                )
            )
            assert statuses(list(responses)) == {200: 2, 409: 1}

    run_concurrently(scenario)


@pytest.mark.parametrize(
    ("path", "create", "change"),
    [
        ("/tasks", {"title": "x"}, {"title": "y"}),
        ("/projects", {"name": "x", "slug": "x"}, {"name": "y"}),  # a versioned table
    ],
)
def test_only_one_of_concurrent_writes_with_the_same_etag_succeeds(
    run_concurrently: Any, path: str, create: dict[str, Any], change: dict[str, Any]
) -> None:
    async def scenario(send: Send) -> None:
        created = await send("POST", path, json=create)
        url, tag = created.headers["Location"], created.headers["ETag"]
        for _ in range(4):
            headers = {"If-Match": tag}
            responses = await asyncio.gather(
                *(
                    send("PATCH", url, json={key: f"{value}{n}"}, headers=headers)
                    for n in range(6)
                    for key, value in change.items()
                )
            )
            assert statuses(list(responses)) == {200: 1, 412: 5}
            (winner,) = [response for response in responses if response.status_code == 200]
            read = await send("GET", url)
            assert (read.json(), read.headers["ETag"]) == (winner.json(), winner.headers["ETag"])
            tag, change_key = winner.headers["ETag"], next(iter(change))
            change[change_key] += "z"

    run_concurrently(scenario)


def test_a_delete_and_an_update_with_the_same_etag_exclude_each_other(
    run_concurrently: Any,
) -> None:
    async def scenario(send: Send) -> None:
        for _ in range(5):
            created = await send("POST", "/tasks", json={"title": "x"})
            url, headers = created.headers["Location"], {"If-Match": created.headers["ETag"]}
            changed, deleted = await asyncio.gather(
                send("PATCH", url, json={"title": "y"}, headers=headers),
                send("DELETE", url, headers=headers),
            )
            assert (changed.status_code, deleted.status_code) in {(200, 412), (404, 200)}

    run_concurrently(scenario)


def test_no_increment_of_a_version_is_lost(run_concurrently: Any) -> None:
    async def scenario(send: Send) -> None:
        created = (await send("POST", "/projects", json={"name": "x", "slug": "x"})).json()
        await asyncio.gather(
            *(send("PATCH", "/projects/1", json={"name": f"{n}"}) for n in range(12))
        )
        assert (await send("GET", "/projects/1")).json()["version"] == created["version"] + 12

    run_concurrently(scenario)


def test_only_one_of_concurrent_creates_of_a_unique_value_succeeds(run_concurrently: Any) -> None:
    async def scenario(send: Send) -> None:
        project = {"name": "x", "slug": "x"}
        responses = await asyncio.gather(
            *(send("POST", "/projects", json=project) for _ in range(8))
        )
        assert statuses(list(responses)) == {201: 1, 409: 7}

    run_concurrently(scenario)


def test_concurrent_puts_create_one_link(run_concurrently: Any) -> None:
    async def scenario(send: Send) -> None:
        await send("POST", "/tasks", json={"title": "x"})
        await send("POST", "/labels", json={"name": "x"})
        for method in ("PUT", "DELETE"):
            responses = await asyncio.gather(*(send(method, "/tasks/1/labels/1") for _ in range(8)))
            assert statuses(list(responses)) == {200: 8}
            linked = (await send("GET", "/tasks/1/labels")).json()
            assert len(linked) == (method == "PUT")

    run_concurrently(scenario)


def test_a_child_of_a_concurrently_deleted_parent_is_not_left_behind(run_concurrently: Any) -> None:
    async def scenario(send: Send) -> None:
        for _ in range(8):
            parent = (await send("POST", "/tasks", json={"title": "x"})).json()["id"]
            deleted, *children = await asyncio.gather(
                send("DELETE", f"/tasks/{parent}"),
                *(send("POST", "/tasks", json={"title": "y", "parent_id": parent}) for _ in "123"),
            )
            assert deleted.status_code == 200
            assert set(statuses(children)) <= {201, 409}
            below = await send("GET", f"/tasks?parent_id={parent}&count=exact")
            assert below.headers["X-Total-Count"] == "0"

    run_concurrently(scenario)


@pytest.mark.parametrize("fields", [["progress"], ["progress", "title"]])
def test_batches_of_the_same_rows_do_not_deadlock(
    db: Database, run_concurrently: Any, fields: list[str]
) -> None:
    """Rows are locked in the order of their keys, whatever the order in the body."""
    random = Random(7)

    async def scenario(send: Send) -> None:
        created = (await send("POST", "/tasks:batch", json=[{"title": "x"}] * 20)).json()
        keys = [row["id"] for row in created]

        async def change() -> list[Any]:
            responses = []
            for _ in range(6):
                rows: list[dict[str, Any]] = []
                for key in random.sample(keys, 10):
                    field = random.choice(
                        fields
                    )  # with different fields, each row takes a statement
                    rows.append({"id": key, field: "y" if field == "title" else 3})
                responses.append(await send("PATCH", "/tasks:batch", json=rows))
                assert [row["id"] for row in responses[-1].json()] == [row["id"] for row in rows]
            return responses

        responses = await asyncio.gather(*(change() for _ in range(8)))
        assert statuses(list(itertools.chain(*responses))) == {200: 48}

        async def remove(seed: int) -> Any:
            chosen = Random(seed).sample(keys, 20)
            return await send("DELETE", f"/tasks:batch?{'&'.join(f'key={key}' for key in chosen)}")

        removed = await asyncio.gather(*(remove(seed) for seed in range(6)))
        assert statuses(list(removed)) == {200: 1, 404: 5}

    run_concurrently(scenario)
    if db.url.backend == "postgresql":
        with db.session() as session:
            counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert session.connection().exec_driver_sql(counted).scalar() == 0


def test_an_update_concurrent_with_a_create_succeeds_or_is_not_found(run_concurrently: Any) -> None:
    """Without If-Match there is no 412, whatever happens between two statements."""

    async def scenario(send: Send) -> None:
        for n in range(40):
            key = f"@{n}"
            responses = await asyncio.gather(
                send("PATCH", f"/workers/{key}", json={"type": "agent"}),
                send("POST", "/workers", json={"id": key}),
                send("PATCH", f"/workers/{key}", json={"type": "human"}),
            )
            assert responses[1].status_code == 201
            assert {responses[0].status_code, responses[2].status_code} <= {200, 404}

    run_concurrently(scenario)


def test_a_prepared_statement_survives_a_change_of_a_column_type(db: Database) -> None:
    """A statement that is prepared by name then fails once, and is prepared again."""
    if db.url.backend == "sqlite":
        pytest.skip("SQLite prepares statements again by itself")

    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        amount: int = 0

    app = FastAPI(lifespan=db.lifespan)
    items = Resource(Item, db)

    @items.after("update")
    async def reload(session: AsyncSession, item: Item) -> None:
        await session.exec(select(Item).where(Item.id == item.id))

    app.include_router(items)

    @app.get("/sums")
    async def total(session: Annotated[AsyncSession, Depends(db.get_async_session)]) -> int:
        return sum(item.amount for item in await session.exec(select(Item)))

    db.create_all()
    with TestClient(app) as client:
        client.post("/items", json={"amount": 1})
        for kind in ("BIGINT", "INTEGER"):
            for _ in range(8):
                responses = [
                    client.get("/items"),
                    client.patch("/items/1", json={"amount": 1}),
                    client.get("/sums"),
                ]
                assert [response.status_code for response in responses] == [200] * 3
            with db.engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE item ALTER COLUMN amount TYPE {kind}")
