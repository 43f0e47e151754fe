"""Concurrent upserts and replacements have the results that they could have one after another."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Header

from colonnade import (
    Database,
    Field,
    Resource,
    Versioned,
)
from colonnade.resources import OPERATIONS

CLIENTS = 50

Send = Callable[..., Awaitable[Any]]

pytestmark = pytest.mark.slow


@pytest.fixture
def item(db: Database) -> Any:
    class Item(Versioned, table=True):
        code: str = Field(primary_key=True)
        name: str = ""
        owner: str = "ana"

    db.create_all()
    return Item


def run_concurrently(
    db: Database, resource: Resource, scenario: Callable[[Send], Awaitable[None]]
) -> None:
    """Run a scenario whose requests may be concurrent."""
    app = FastAPI(lifespan=db.lifespan)
    app.include_router(resource)

    async def main() -> None:
        transport = httpx2.ASGITransport(app)
        async with (
            db.lifespan(app),
            httpx2.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            await scenario(client.request)

    asyncio.run(main())


def statuses(responses: list[Any]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


@pytest.fixture(params=["one statement", "with hooks", "scoped"])
def resource(request: pytest.FixtureRequest, db: Database, item: Any) -> Resource:
    scope = None
    if request.param == "scoped":

        def scope(x_user: str = Header("ana")) -> Any:
            return item.owner == x_user

    items = Resource(item, db, operations=OPERATIONS, scope=scope)
    if request.param == "with hooks":
        items.before("create")(lambda session, values: None)
        items.after("update")(lambda session, row: None)
    return items


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/items?on_conflict=code"), ("PUT", "/items/a")]
)
def test_one_of_the_racing_clients_creates_the_row_and_the_others_change_it(
    db: Database, resource: Resource, method: str, path: str
) -> None:
    async def scenario(send: Send) -> None:
        for _ in range(3):
            bodies = [{"code": "a", "name": f"{number}"} for number in range(CLIENTS)]
            responses = await asyncio.gather(*(send(method, path, json=body) for body in bodies))
            assert statuses(responses) == {201: 1, 200: CLIENTS - 1}
            rows = [response.json() for response in responses]
            assert [row["name"] for row in rows] == [body["name"] for body in bodies]
            versions = sorted(row["version"] for row in rows)
            assert versions == list(range(versions[0], versions[0] + CLIENTS))
            last = max(rows, key=lambda row: row["version"])
            assert (await send("GET", "/items/a")).json() == last
            await send("DELETE", "/items/a")

    run_concurrently(db, resource, scenario)


def test_racing_clients_keep_the_row_of_one_of_them(db: Database, resource: Resource) -> None:
    async def scenario(send: Send) -> None:
        for _ in range(3):
            responses = await asyncio.gather(
                *(
                    send(
                        "POST",
                        "/items?on_conflict=code&keep=true",
                        json={"code": "a", "name": f"{number}"},
                    )
                    for number in range(CLIENTS)
                )
            )
            assert statuses(responses) == {201: 1, 200: CLIENTS - 1}
            assert len({response.text for response in responses}) == 1
            await send("DELETE", "/items/a")

    run_concurrently(db, resource, scenario)


@pytest.mark.parametrize("keep", ["", "&keep=true"])
def test_racing_batches_in_any_order_write_each_row(
    db: Database, resource: Resource, keep: str
) -> None:
    random = Random(7)

    async def scenario(send: Send) -> None:
        async def upsert(number: int) -> Any:
            codes = random.sample("abcdefghij", 8)
            rows = [{"code": code, "name": f"{number}"} for code in codes]
            response = await send("POST", f"/items:batch?on_conflict=code{keep}", json=rows)
            assert [row["code"] for row in response.json()] == codes
            return response

        responses = await asyncio.gather(*(upsert(number) for number in range(CLIENTS)))
        assert set(statuses(list(responses))) <= {200, 201}
        assert len((await send("GET", "/items")).json()) == 10

    run_concurrently(db, resource, scenario)


def test_racing_upserts_and_deletions_are_never_an_error(db: Database, resource: Resource) -> None:
    async def scenario(send: Send) -> None:
        body = {"code": "a", "name": "x"}
        responses = await asyncio.gather(
            *(
                send("DELETE", "/items/a")
                if number % 3 == 0
                else send("POST", "/items?on_conflict=code", json=body)
                for number in range(3 * CLIENTS)
            )
        )
        assert set(statuses(responses[::3])) <= {200, 404}
        upserts = [response for index, response in enumerate(responses) if index % 3]
        assert set(statuses(upserts)) <= {200, 201}

    run_concurrently(db, resource, scenario)
