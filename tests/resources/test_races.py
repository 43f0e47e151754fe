"""Requests at the same time: what one at a time would have said."""

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
from tests.resources.world import everything

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def together(db: Database, models: SimpleNamespace) -> Callable[..., Any]:
    """Runs a story whose requests may be in flight at once."""
    app = FastAPI(lifespan=db.lifespan)
    for resource in everything(db, models):
        app.include_router(resource)

    def run(story: Callable[[Ask], Awaitable[None]]) -> None:
        async def tell() -> None:
            transport = httpx2.ASGITransport(app)
            async with (
                db.lifespan(app),
                httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
            ):
                await story(client.request)

        asyncio.run(tell())

    return run


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_moves_at_the_same_time_make_no_cycle(together: Any) -> None:
    async def story(ask: Ask) -> None:
        for _ in range(8):
            rows = [{"title": title} for title in "ABC"]
            a, b, c = [row["id"] for row in (await ask("POST", "/tasks:batch", json=rows)).json()]
            moves = ((a, b), (b, c), (c, a))
            answers = await asyncio.gather(
                *(
                    ask("PATCH", f"/tasks/{task}", json={"parent_id": above})
                    for task, above in moves
                )
            )
            assert statuses(list(answers)) == {200: 2, 409: 1}

    together(story)


@pytest.mark.parametrize(
    ("path", "create", "change"),
    [
        ("/tasks", {"title": "x"}, {"title": "y"}),
        ("/projects", {"name": "x", "slug": "x"}, {"name": "y"}),  # a versioned table
    ],
)
def test_of_writes_on_one_tag_one_wins(
    together: Any, path: str, create: dict[str, Any], change: dict[str, Any]
) -> None:
    async def story(ask: Ask) -> None:
        created = await ask("POST", path, json=create)
        url, tag = created.headers["Location"], created.headers["ETag"]
        for _ in range(4):
            headers = {"If-Match": tag}
            answers = await asyncio.gather(
                *(
                    ask("PATCH", url, json={key: f"{value}{n}"}, headers=headers)
                    for n in range(6)
                    for key, value in change.items()
                )
            )
            assert statuses(list(answers)) == {200: 1, 412: 5}
            (won,) = [answer for answer in answers if answer.status_code == 200]
            read = await ask("GET", url)
            assert (read.json(), read.headers["ETag"]) == (won.json(), won.headers["ETag"])
            tag, change_key = won.headers["ETag"], next(iter(change))
            change[change_key] += "z"

    together(story)


def test_a_delete_on_a_tag_and_a_change_on_it(together: Any) -> None:
    async def story(ask: Ask) -> None:
        for _ in range(5):
            created = await ask("POST", "/tasks", json={"title": "x"})
            url, headers = created.headers["Location"], {"If-Match": created.headers["ETag"]}
            changed, deleted = await asyncio.gather(
                ask("PATCH", url, json={"title": "y"}, headers=headers),
                ask("DELETE", url, headers=headers),
            )
            assert (changed.status_code, deleted.status_code) in {(200, 412), (404, 200)}

    together(story)


def test_no_change_of_a_version_is_lost(together: Any) -> None:
    async def story(ask: Ask) -> None:
        created = (await ask("POST", "/projects", json={"name": "x", "slug": "x"})).json()
        await asyncio.gather(
            *(ask("PATCH", "/projects/1", json={"name": f"{n}"}) for n in range(12))
        )
        assert (await ask("GET", "/projects/1")).json()["version"] == created["version"] + 12

    together(story)


def test_of_creates_of_one_value_one_wins(together: Any) -> None:
    async def story(ask: Ask) -> None:
        project = {"name": "x", "slug": "x"}
        answers = await asyncio.gather(*(ask("POST", "/projects", json=project) for _ in range(8)))
        assert statuses(list(answers)) == {201: 1, 409: 7}

    together(story)


def test_a_link_is_put_once(together: Any) -> None:
    async def story(ask: Ask) -> None:
        await ask("POST", "/tasks", json={"title": "x"})
        await ask("POST", "/labels", json={"name": "x"})
        for method in ("PUT", "DELETE"):
            answers = await asyncio.gather(*(ask(method, "/tasks/1/labels/1") for _ in range(8)))
            assert statuses(list(answers)) == {200: 8}
            there = (await ask("GET", "/tasks/1/labels")).json()
            assert len(there) == (method == "PUT")

    together(story)


def test_a_parent_that_goes_meanwhile(together: Any) -> None:
    async def story(ask: Ask) -> None:
        for _ in range(8):
            parent = (await ask("POST", "/tasks", json={"title": "x"})).json()["id"]
            deleted, *children = await asyncio.gather(
                ask("DELETE", f"/tasks/{parent}"),
                *(ask("POST", "/tasks", json={"title": "y", "parent_id": parent}) for _ in "123"),
            )
            assert deleted.status_code == 200
            assert set(statuses(children)) <= {201, 409}
            below = await ask("GET", f"/tasks?parent_id={parent}&count=exact")
            assert below.headers["X-Total-Count"] == "0"

    together(story)


@pytest.mark.parametrize("fields", [["progress"], ["progress", "title"]])
def test_batches_of_the_same_rows_do_not_deadlock(
    db: Database, together: Any, fields: list[str]
) -> None:
    """Whatever order their bodies have: rows are locked in the order of their keys."""
    random = Random(7)

    async def story(ask: Ask) -> None:
        created = (await ask("POST", "/tasks:batch", json=[{"title": "x"}] * 20)).json()
        keys = [row["id"] for row in created]

        async def change() -> list[Any]:
            answers = []
            for _ in range(6):
                rows: list[dict[str, Any]] = []
                for key in random.sample(keys, 10):
                    field = random.choice(fields)  # of different fields: row by row
                    rows.append({"id": key, field: "y" if field == "title" else 3})
                answers.append(await ask("PATCH", "/tasks:batch", json=rows))
                assert [row["id"] for row in answers[-1].json()] == [row["id"] for row in rows]
            return answers

        answers = await asyncio.gather(*(change() for _ in range(8)))
        assert statuses(list(itertools.chain(*answers))) == {200: 48}

        async def remove(seed: int) -> Any:
            chosen = Random(seed).sample(keys, 20)
            return await ask("DELETE", f"/tasks:batch?{'&'.join(f'key={key}' for key in chosen)}")

        removed = await asyncio.gather(*(remove(seed) for seed in range(6)))
        assert statuses(list(removed)) == {200: 1, 404: 5}

    together(story)
    if db.url.backend == "postgresql":
        with db.session() as session:
            counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            assert session.connection().exec_driver_sql(counted).scalar() == 0


def test_a_change_of_a_row_that_is_being_created_meets_it_or_not(together: Any) -> None:
    """Without If-Match there is no 412, whatever happens between two looks at the row."""

    async def story(ask: Ask) -> None:
        for n in range(40):
            key = f"@{n}"
            answers = await asyncio.gather(
                ask("PATCH", f"/workers/{key}", json={"type": "agent"}),
                ask("POST", "/workers", json={"id": key}),
                ask("PATCH", f"/workers/{key}", json={"type": "human"}),
            )
            assert answers[1].status_code == 201
            assert {answers[0].status_code, answers[2].status_code} <= {200, 404}

    together(story)


def test_a_column_whose_type_is_changed_meanwhile(db: Database) -> None:
    """What is prepared by name then fails once, and is prepared anew."""
    if db.url.backend == "sqlite":
        pytest.skip("SQLite prepares anew by itself")

    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        amount: int = 0

    app = FastAPI(lifespan=db.lifespan)
    items = Resource(Item, db)

    @items.after("update")
    async def look(session: AsyncSession, item: Item) -> None:
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
                answers = [
                    client.get("/items"),
                    client.patch("/items/1", json={"amount": 1}),
                    client.get("/sums"),
                ]
                assert [answer.status_code for answer in answers] == [200] * 3
            with db.engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE item ALTER COLUMN amount TYPE {kind}")
