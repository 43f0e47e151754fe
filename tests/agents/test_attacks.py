"""Applications in which tools could do what the API would not: each refuses, or does the same."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel
from sqlalchemy import ForeignKey
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import Receive, Scope, Send

from colonnade import (
    AsyncSession,
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
    mcp_server,
)
from colonnade.agents._answers import MAX_CHARACTERS
from colonnade.database import DatabaseURL
from tests.agents.clients import agent_of

pytestmark = pytest.mark.asyncio

Row = dict[str, Any]


class Shop:
    """An app with notes and letters, which a test changes before it is served."""

    def __init__(self, db: Database) -> None:
        class Note(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            text: str = "x"
            tags: list[int] = Field(default_factory=list)

        class Letter(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            owner: str = "me"

        db.create_all()
        self.db, self.note, self.letter = db, Note, Letter
        self.notes = Resource(Note, db)
        self.app = FastAPI()

    def served(self, *resources: Resource, **options: Any) -> FastAPI:
        for resource in resources or (self.notes,):
            self.app.include_router(resource)
        self.app.mount("/mcp", mcp_server(self.app, **{"writable": True, **options}))
        return self.app

    def stored(self) -> list[str]:
        from colonnade import select

        with self.db.session() as session:
            return [note.text for note in session.exec(select(self.note))]


@pytest.fixture
def shop(db: Database) -> Shop:
    return Shop(db)


def create(table: str = "notes", **values: Any) -> Row:
    return {"action": "create", "table": table, "values": values}


async def test_a_route_of_the_app_in_front_of_a_resource_is_not_tried(shop: Shop) -> None:
    @shop.app.post("/notes")
    def create_note() -> Row:
        with shop.db.session() as session:
            session.add(shop.note(text="by the app"))
            session.commit()
        return {}

    async with agent_of(shop.served()) as agent:
        refusal = await agent.refusal("write", changes=[create()])
    assert "an endpoint of the application handles this change" in refusal["error"]
    assert shop.stored() == []


async def test_background_tasks_run_after_the_commit_or_not_at_all(shop: Shop) -> None:
    sent: list[str] = []

    @shop.notes.after("create")
    def mail(row: Any, tasks: BackgroundTasks) -> None:
        tasks.add_task(sent.append, row.text)

    delete = {"action": "delete", "table": "notes", "key": 99}
    async with agent_of(shop.served()) as agent:
        await agent.call("write", changes=[create(text="a")])
        await agent.refusal("write", changes=[create(text="a"), delete], dry_run=False)
        assert sent == []
        both = [create(text="a"), create(text="b")]
        await agent.call("write", changes=both, dry_run=False)
    assert sent == ["a", "b"]


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_a_hook_that_ends_the_transaction_ends_a_savepoint(shop: Shop, end: str) -> None:
    @shop.notes.before("create")
    async def finish(session: AsyncSession) -> None:
        await getattr(session, end)()

    delete = {"action": "delete", "table": "notes", "key": 99}
    async with agent_of(shop.served()) as agent:
        await agent.call("write", changes=[create()])
        await agent.refusal("write", changes=[create(), delete], dry_run=False)
        assert shop.stored() == []
        await agent.call("write", changes=[create(text="a"), create(text="b")], dry_run=False)
    assert shop.stored() == ["a", "b"]


async def test_the_state_of_a_request_is_not_that_of_the_next(shop: Shop) -> None:
    def become_boss(request: Request) -> None:
        request.state.owner = "boss"

    def owner(request: Request) -> Row:
        return {"owner": getattr(request.state, "owner", "me")}

    async def touch(request: Request, call_next: Any) -> Response:
        request.state.touched = True
        response: Response = await call_next(request)
        return response

    notes = Resource(shop.note, shop.db, dependencies=[Depends(become_boss)])
    letters = Resource(shop.letter, shop.db, scope=owner)
    app = shop.served(notes, letters)
    app.add_middleware(BaseHTTPMiddleware, dispatch=touch)
    with shop.db.session() as session:
        session.add(shop.letter(owner="boss"))
        session.commit()
    update = {"action": "update", "table": "letters", "key": 1, "values": {}}
    async with agent_of(app) as agent:
        for changes in ([update], [create(), update]):
            refusal = await agent.refusal("write", changes=changes, dry_run=False)
            assert refusal["status"] == 404


class Wrapper:
    """A middleware around the server alone."""

    def __init__(self, app: Any) -> None:
        self._wrapped = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._wrapped(scope, receive, send)


def wrapped(app: FastAPI) -> tuple[Any, str]:
    app.mount("/mcp", Wrapper(mcp_server(app)))
    return app, "/mcp/"


def below_a_parameter(app: FastAPI) -> tuple[Any, str]:
    app.mount("/{team}/mcp", mcp_server(app))
    return app, "/red/mcp/"


def in_two_places(app: FastAPI) -> tuple[Any, str]:
    server = mcp_server(app)
    app.mount("/mcp", server)
    app.mount("/a/mcp", server)
    return app, "/a/mcp/"


def nested_apps(app: FastAPI) -> tuple[Any, str]:
    app.mount("/mcp", mcp_server(app))
    outer = FastAPI()
    outer.mount("/api", app)
    return outer, "/api/mcp/"


def behind_a_proxy(app: FastAPI) -> tuple[Any, str]:
    app.root_path = "/api"
    app.mount("/mcp", mcp_server(app))
    return app, "/mcp/"


@pytest.mark.parametrize(
    "mount", [wrapped, below_a_parameter, in_two_places, nested_apps, behind_a_proxy]
)
async def test_a_guard_of_a_path_holds_however_the_server_is_mounted(
    shop: Shop, mount: Callable[[FastAPI], tuple[Any, str]]
) -> None:
    def guard(request: Request) -> None:
        root = request.scope.get("root_path", "")
        if request.url.path.removeprefix(root).startswith("/notes"):
            raise HTTPException(403)

    shop.app.include_router(Resource(shop.note, shop.db, dependencies=[Depends(guard)]))
    app, path = mount(shop.app)
    async with agent_of(app, path) as agent:
        refusal = await agent.refusal("find", table="notes")
        assert refusal.get("status") == 403 or "mounted in a way that hides" in refusal["error"]
        described = await agent.session.call_tool("describe", {})
        assert "notes" not in str(described.content)


async def test_a_server_in_another_app_than_its_own_is_refused(shop: Shop) -> None:
    shop.app.include_router(shop.notes)
    outer = FastAPI()
    outer.mount("/mcp", mcp_server(shop.app))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=outer)) as client:
        response = await client.post("http://shop/mcp/", json={})
    assert (response.status_code, response.text) == (
        500,
        "Mount this server in the app that was passed to mcp_server().",
    )


async def test_what_is_stored_never_looks_like_an_error(shop: Shop) -> None:
    async with agent_of(shop.served()) as agent:
        answer = await agent.call(
            "write", changes=[create(tags=list(range(12_000)))], dry_run=False
        )
        assert answer["stored"] == "All changes are stored."
        assert answer["results"][0]["row"] == "left out"
        refusal = await agent.refusal("read", table="notes", key=1)
        assert "name them in `fields`" in refusal["error"]
        assert await agent.rows("read", table="notes", key=1, fields=["id"]) == [{"id": 1}]


async def test_an_answer_that_is_no_json_or_a_redirect_is_told_as_it_is(shop: Shop) -> None:
    @shop.notes.post("", status_code=201)
    def create_note(request: Request) -> Response:
        return Response("done", 303 if "go" in request.headers else 201)

    async with agent_of(shop.served()) as agent:
        answer = await agent.call("write", changes=[create()], dry_run=False)
        assert answer["results"] == [{"status": 201, "row": None}]
    async with agent_of(shop.app, go="1") as agent:
        refusal = await agent.refusal("write", changes=[create()], dry_run=False)
    assert "redirects this request (303)" in refusal["error"]
    assert refusal["stored"].startswith("The change may be stored.")


async def test_overridden_sessions_are_used_and_never_bypassed(shop: Shop) -> None:
    app = shop.served()
    async with shop.db.session() as session:
        app.dependency_overrides[shop.db.get_async_session] = lambda: session
        async with agent_of(app) as agent:
            await agent.call("write", changes=[create(text="a")], dry_run=False)
            assert [row["text"] for row in await agent.rows("find", table="notes")] == ["a"]
            for changes, dry_run in (([create()], True), ([create(), create()], False)):
                refusal = await agent.refusal("write", changes=changes, dry_run=dry_run)
                assert "is overridden" in refusal["error"]
        await session.rollback()
    assert shop.stored() == []


async def test_only_rows_and_relations_are_read_by_keys(shop: Shop) -> None:
    called: list[str] = []

    @shop.app.get("/notes/rebuild")
    def rebuild() -> Row:
        called.append("rebuild")
        return {}

    @shop.notes.get("/{id}/visit")
    def visit(id: int) -> Row:  # noqa: A002 - the key of the Resource
        called.append("visit")
        return {}

    async with agent_of(shop.served()) as agent:
        await agent.refusal("read", table="notes", key="rebuild")
        await agent.refusal("read", table="notes", key=1, relation="visit")
    assert called == []


async def test_the_deadline_of_a_resource_holds(shop: Shop) -> None:
    slow = Resource(shop.note, shop.db, deadline=0.2)

    @slow.before("create")
    async def wait(session: AsyncSession) -> None:
        await asyncio.sleep(20)

    async with agent_of(shop.served(slow)) as agent:
        refusal = await asyncio.wait_for(agent.refusal("write", changes=[create()]), 5)
    assert refusal["status"] == 503


async def test_a_write_that_may_have_been_committed_is_not_said_to_be_undone(shop: Shop) -> None:
    slow = Resource(shop.note, shop.db, deadline=0.2)

    @slow.after("create")
    async def wait(session: AsyncSession) -> None:
        await asyncio.sleep(20)

    async with agent_of(shop.served(slow)) as agent:
        refusal = await agent.refusal("write", changes=[create()], dry_run=False)
    assert refusal["status"] == 503
    assert refusal["stored"].startswith("The change may be stored.")


@pytest.mark.parametrize("changes", [1, 2])
async def test_a_background_task_that_fails_does_not_hide_what_is_stored(
    shop: Shop, changes: int
) -> None:
    def fail() -> None:
        raise RuntimeError("the mail server is down")

    @shop.notes.after("create")
    def mail(row: Any, tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)

    async with agent_of(shop.served()) as agent:
        answer = await agent.call("write", changes=[create()] * changes, dry_run=False)
    assert answer["stored"] == "All changes are stored."
    assert len(shop.stored()) == changes


async def test_a_deadlock_is_retried(shop: Shop) -> None:
    async with agent_of(shop.served()) as agent:
        await agent.call("write", changes=[create(), create()], dry_run=False)

        async def both(first: int, second: int) -> None:
            for key in (first, second):
                change = {"action": "update", "table": "notes", "key": key}
                changes.setdefault(first, []).append({**change, "values": {"text": str(first)}})
            await agent.call("write", changes=changes[first], dry_run=False)

        for _ in range(3):
            changes: dict[int, list[Row]] = {}
            await asyncio.gather(both(1, 2), both(2, 1))


async def test_a_deferred_constraint_is_a_conflict(db: Database) -> None:
    class Part(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    class Item(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        part_id: int = Field(
            sa_column_args=[ForeignKey("part.id", deferrable=True, initially="DEFERRED")]
        )

    db.create_all()
    app = FastAPI()
    app.include_router(Resource(Item, db))
    app.mount("/mcp", mcp_server(app, writable=True))
    change = create("items", part_id=9)
    async with agent_of(app) as agent:
        for changes in ([change], [change, change]):
            refusal = await agent.refusal("write", changes=changes, dry_run=False)
            assert refusal["status"] == 409


async def test_a_guard_that_reads_the_body_does_not_wait_for_one(shop: Shop) -> None:
    async def signed(request: Request) -> None:
        await request.body()

    guards = [Depends(signed)]
    resources = [Resource(each, shop.db, dependencies=guards) for each in (shop.note, shop.letter)]
    async with agent_of(shop.served(*resources)) as agent:
        answer = await asyncio.wait_for(agent.call("describe"), 5)
    assert len(answer["tables"]) == 2


async def test_a_guard_that_fails_hides_its_table_only(shop: Shop) -> None:
    def broken() -> None:
        raise AttributeError("no such thing")

    letters = Resource(shop.letter, shop.db, dependencies=[Depends(broken)])
    async with agent_of(shop.served(shop.notes, letters)) as agent:
        answer = await agent.call("describe")
    assert [table["table"] for table in answer["tables"]] == ["notes"]


async def test_dependencies_of_the_app_guard_resources_of_the_server_alone(shop: Shop) -> None:
    def login(authorization: Annotated[str, Header()] = "") -> None:
        if authorization != "Bearer anna":
            raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(login)])
    app.mount("/mcp", mcp_server(app, [shop.notes]))
    async with agent_of(app) as agent:
        assert (await agent.refusal("find", table="notes"))["status"] == 401
        assert (await agent.refusal("describe"))["status"] == 401
    async with agent_of(app, authorization="Bearer anna") as agent:
        assert await agent.rows("find", table="notes") == []


async def test_explain_needs_what_it_explains(shop: Shop) -> None:
    def refuse() -> None:
        raise HTTPException(403, "Not for you.")

    unlisted = Resource(shop.letter, shop.db, operations={"create"})
    unread = Resource(shop.note, shop.db, dependencies={"read": [Depends(refuse)]})
    async with agent_of(shop.served(unlisted, unread)) as agent:
        refusal = await agent.refusal("explain", table="letters")
        assert refusal["error"].startswith("explain needs a generated endpoint")
        assert (await agent.refusal("explain", table="notes", key=1))["status"] == 403


async def test_messages_say_nothing_of_a_table_that_the_caller_may_not_read(db: Database) -> None:
    class Pay(SQLModel, table=True):
        employee: int = Field(primary_key=True)
        month: int = Field(primary_key=True)

    db.create_all()

    def refuse() -> None:
        raise HTTPException(403)

    app = FastAPI()
    app.include_router(Resource(Pay, db, dependencies=[Depends(refuse)]))
    app.mount("/mcp", mcp_server(app, writable=True))
    calls: list[tuple[str, Row]] = [
        ("read", {"table": "pays", "key": 1}),
        ("aggregate", {"table": "pays"}),
        ("write", {"changes": [create("pays")], "idempotency_key": "k", "dry_run": False}),
        ("explain", {"table": "pays", "key": 1}),
    ]
    async with agent_of(app) as agent:
        for tool, arguments in calls:
            refusal = await agent.refusal(tool, **arguments)
            assert refusal["error"].startswith("There is no table 'pays'")


async def test_rows_of_an_envelope_and_small_pages(db: Database) -> None:
    class Team(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        people: list["Person"] = Relationship(back_populates="team")

    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        team_id: int | None = Field(default=None, foreign_key="team.id")
        team: Team | None = Relationship(back_populates="people")

    class Items(BaseModel):
        data: list[Any]
        count: int

    db.create_all()
    app = FastAPI()
    people = Resource(Person, db)
    options: Any = {"envelope": Items, "max_limit": 5, "default_limit": 5}
    app.include_router(Resource(Team, db, include=["people"], **options))
    app.include_router(people)
    app.mount("/mcp", mcp_server(app, writable=True))
    async with agent_of(app) as agent:
        await agent.call("write", changes=[create("teams")], dry_run=False)
        await agent.call("write", changes=[create("people", team_id=1)], dry_run=False)
        assert await agent.rows("find", table="teams") == [{"id": 1}]
        rows = await agent.rows("read", table="teams", key=1, relation="people")
    assert rows == [{"id": 1, "team_id": 1}]


async def test_many_tables_are_described_by_their_names(db: Database) -> None:
    app = FastAPI()
    for number in range(70):
        model: Any = type(
            f"Thing{number:03}",
            (SQLModel,),
            {"__annotations__": {"id": int | None, **{f"field{n}": str for n in range(70)}},
             "id": Field(default=None, primary_key=True)},
            table=True,
        )  # fmt: skip
        app.include_router(Resource(model, db, operations={"list"}))
    app.mount("/mcp", mcp_server(app))
    async with agent_of(app) as agent:
        tables = (await agent.call("describe"))["tables"]
        assert len(tables) == 70
        assert set(tables[0]) == {"table"}
        (thing,) = (await agent.call("describe", tables=[tables[0]["table"]]))["tables"]
    assert len(thing["fields"]) == 71
    assert len(str(thing)) < MAX_CHARACTERS


async def test_a_url_of_several_hosts_can_be_read_only() -> None:
    url = DatabaseURL.parse("postgresql://me@one:1,two:2/shop").read_only
    for config in (url.sync, url.asynchronous):
        assert config.connect_args["target_session_attrs"] == "any"
    assert "default_transaction_read_only=on" in url.sync.connect_args["options"]
