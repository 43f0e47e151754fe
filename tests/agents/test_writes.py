"""The tool ``write``: all changes or none, tried first, and never twice."""

from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event

from colonnade import (
    STANDARD,
    Database,
    Field,
    Idempotency,
    Relationship,
    Resource,
    SQLModel,
    mcp_server,
)
from tests.agents.clients import Agent, agent_of

pytestmark = pytest.mark.asyncio

Row = dict[str, Any]


class Shop:
    """An application with products, tags and orders, and what its hooks have seen."""

    def __init__(self, db: Database, *, writable: bool = True) -> None:
        class ProductTag(SQLModel, table=True):
            product_id: int = Field(foreign_key="product.id", primary_key=True, ondelete="CASCADE")
            tag_id: int = Field(foreign_key="tag.id", primary_key=True, ondelete="CASCADE")
            weight: int = 1

        class Tag(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            name: str = Field(unique=True)

        class Product(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            sku: str = Field(unique=True, max_length=10)
            price: int = Field(default=1, ge=0)
            tags: list[Tag] = Relationship(
                link_model=ProductTag, sa_relationship_kwargs={"viewonly": True}
            )

        class Order(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            product_id: int = Field(foreign_key="product.id")

        class Answer(Idempotency, table=True):
            pass

        db.create_all()
        self.events: list[str] = []
        self.app = FastAPI()
        products = Resource(
            Product, db, include=["tags"], operations=STANDARD | {"upsert"}, idempotency=Answer
        )
        orders = Resource(Order, db)

        @orders.after("create")
        def ordered(row: Order) -> None:
            self.events.append(f"after {row.id}")

        @orders.committed("create")
        def committed(row: Order) -> None:
            self.events.append(f"committed {row.id}")

        for resource in (products, orders, Resource(Tag, db)):
            self.app.include_router(resource)
        self.app.mount("/mcp", mcp_server(self.app, writable=writable))


@pytest.fixture
def shop(db: Database) -> Shop:
    return Shop(db)


def create(table: str, **values: Any) -> Row:
    return {"action": "create", "table": table, "values": values}


async def skus(agent: Agent) -> list[str]:
    return [row["sku"] for row in await agent.rows("find", table="products")]


async def test_a_dry_run_is_the_default_and_stores_nothing(shop: Shop) -> None:
    async with agent_of(shop.app) as agent:
        answer = await agent.call("write", changes=[create("products", sku="A")])
        assert answer["dry_run"] is True
        assert answer["stored"].startswith("Dry run: nothing is stored.")
        (result,) = answer["results"]
        assert (result["status"], result["row"]["sku"]) == (201, "A")
        assert await skus(agent) == []


async def test_changes_of_several_tables_are_stored_together(shop: Shop) -> None:
    setup = [create("products", sku="A"), create("products", sku="B"), create("tags", name="new")]
    async with agent_of(shop.app) as agent:
        stored = await agent.call("write", changes=setup, dry_run=False)
        first, second, tag = [result["row"]["id"] for result in stored["results"]]
        changes = [
            create("products", sku="C"),
            {"action": "link", "table": "products", "key": first, "relation": "tags",
             "target": tag, "values": {"weight": 5}},
            {"action": "update", "table": "products", "key": first, "values": {"price": 7}},
            {"action": "upsert", "table": "products", "on_conflict": ["sku"],
             "values": {"sku": "A", "price": 8}},
            {"action": "delete", "table": "products", "key": second},
        ]  # fmt: skip
        tried = await agent.call("write", changes=changes)
        answer = await agent.call("write", changes=changes, dry_run=False)
        statuses = [result["status"] for result in answer["results"]]
        assert statuses == [result["status"] for result in tried["results"]]
        assert (statuses[0], *statuses[2:]) == (201, 200, 200, 200)
        assert await skus(agent) == ["A", "C"]
        (row,) = await agent.rows("find", table="products", filters={"sku": "A"}, include=["tags"])
        assert (row["price"], [tag["name"] for tag in row["tags"]]) == (8, ["new"])
        unlink = {"action": "unlink", "table": "products", "key": first, "relation": "tags",
                  "target": tag}  # fmt: skip
        await agent.call("write", changes=[unlink], dry_run=False)
        assert await agent.rows("read", table="products", key=first, relation="tags") == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_if_one_change_is_refused_none_is_stored(shop: Shop, dry_run: bool) -> None:
    changes = [create("products", sku="A"), create("tags", name="t"), create("products", sku="A")]
    async with agent_of(shop.app) as agent:
        refusal = await agent.refusal("write", changes=changes, dry_run=dry_run)
        assert refusal["error"].startswith("changes[2]: ")
        assert refusal["status"] == 409
        assert refusal["stored"] == "Nothing is stored, since this change was refused."
        assert await skus(agent) == []
        assert await agent.rows("find", table="tags") == []


async def test_a_row_that_has_changed_since_it_was_read_is_not_overwritten(shop: Shop) -> None:
    async with agent_of(shop.app) as agent:
        await agent.call("write", changes=[create("products", sku="A")], dry_run=False)
        etag = (await agent.call("read", table="products", key=1))["etag"]
        update = {"action": "update", "table": "products", "key": 1, "values": {"price": 2}}
        await agent.call("write", changes=[update], dry_run=False)
        refusal = await agent.refusal("write", changes=[{**update, "etag": etag}], dry_run=False)
    assert refusal["status"] == 412


async def test_a_repeated_call_with_a_key_is_stored_once(shop: Shop) -> None:
    call: Row = {"changes": [create("products", sku="A")], "idempotency_key": "k1"}
    both: Row = {
        "changes": [create("products", sku="B"), create("products", sku="C")],
        "idempotency_key": "k2",
    }
    async with agent_of(shop.app) as agent:
        await agent.call("write", **call)  # a dry run uses up no key
        for arguments in (call, both):
            first = await agent.call("write", dry_run=False, **arguments)
            assert await agent.call("write", dry_run=False, **arguments) == first
        assert await skus(agent) == ["A", "B", "C"]
        other = {**call, "changes": [create("products", sku="Z")]}
        assert (await agent.refusal("write", dry_run=False, **other))["status"] == 422
        refusal = await agent.refusal(
            "write", changes=[create("tags", name="t")], idempotency_key="k", dry_run=False
        )
    assert refusal["error"].startswith("idempotency_key does not apply to create of tags.")


async def test_hooks_after_the_commit_run_only_if_there_is_one(shop: Shop) -> None:
    order = create("orders", product_id=1)
    async with agent_of(shop.app) as agent:
        await agent.call("write", changes=[create("products", sku="A")], dry_run=False)
        await agent.call("write", changes=[order])
        assert shop.events == ["after 1"]
        for dry_run in (True, False):
            refusal = await agent.refusal("write", changes=[order, order], dry_run=dry_run)
            assert "runs code after each commit" in refusal["error"]
        shop.events.clear()
        await agent.call("write", changes=[order], dry_run=False)
        (row,) = await agent.rows("find", table="orders")
    assert shop.events == [f"after {row['id']}", f"committed {row['id']}"]


async def test_an_endpoint_of_the_application_is_called_but_not_tried(
    db: Database,
) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str

    db.create_all()
    notes = Resource(Note, db)

    @notes.post("", status_code=201)
    def create_note(note: Note) -> Row:
        return {"text": note.text.upper()}

    app = FastAPI()
    app.include_router(notes)
    app.mount("/mcp", mcp_server(app, writable=True))
    change = create("notes", text="a")
    async with agent_of(app) as agent:
        refusal = await agent.refusal("write", changes=[change])
        assert refusal["error"] == (
            "changes[0]: an endpoint of the application handles this change, so it cannot be tried "
            "or combined with others. Send it alone, with dry_run=false."
        )
        await agent.refusal("write", changes=[change, change], dry_run=False)
        answer = await agent.call("write", changes=[change], dry_run=False)
    assert answer["results"] == [{"status": 201, "row": {"text": "A"}}]


WRONG: dict[str, tuple[list[Row], str]] = {
    "no changes": ([], "changes: List should have at least 1 item"),
    "too many": ([create("tags", name="x")] * 101, "changes: List should have at most 100 items"),
    "unknown action": ([{"action": "drop", "table": "tags"}], "'create', 'upsert', 'update'"),
    "unknown member": ([{**create("tags", name="x"), "scope": 1}], "unknown argument"),
    "unknown table": ([create("tag", name="x")], "There is no table 'tag'. The tables are: prod"),
    "unknown field": ([create("tags", nam="x")], "changes[0]: body.nam"),
    "wrong value": ([create("products", sku="A", price=-1)], "changes[0]: body.price"),
    "no row": ([{"action": "delete", "table": "tags", "key": 9}], "changes[0]: Tag not found."),
    "no such link": ([{"action": "link", "table": "products", "key": 1, "relation": "orders",
                       "target": 1}], "'orders' is not a relation of products with links"),
    "not allowed": ([{"action": "replace", "table": "tags", "key": 1, "values": {"name": "x"}}],
                    "PUT is not allowed"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_change_is_refused_and_says_what_is_right(shop: Shop, name: str) -> None:
    changes, message = WRONG[name]
    async with agent_of(shop.app) as agent:
        refusal = await agent.refusal("write", changes=changes, dry_run=False)
    assert message in refusal["error"]


async def test_a_server_that_is_not_writable_has_no_tool_that_writes(db: Database) -> None:
    async with agent_of(Shop(db, writable=False).app) as agent:
        tools = (await agent.session.list_tools()).tools
        assert "write" not in [tool.name for tool in tools]
        refusal = await agent.refusal("write", changes=[create("tags", name="x")], dry_run=False)
        assert refusal["error"] == "This server is read-only: it has no tool `write`."
        assert "values" not in str(await agent.call("describe", tables=["tags"]))


async def test_reads_run_in_transactions_that_cannot_write(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    db.create_all()
    app = FastAPI()
    app.include_router(Resource(Note, db))
    app.mount("/mcp", mcp_server(app))
    options: list[Any] = []

    def note(connection: Any, *others: Any) -> None:
        options.append(connection.get_execution_options())

    engine = db.async_engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        async with agent_of(app) as agent:
            await agent.rows("find", table="notes")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert options
    for each in options:
        assert each["postgresql_readonly"] is True
        assert each["sqlite_readonly"] is True
