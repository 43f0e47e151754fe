"""Tools show no more than the API does to the same caller: two tenants, and every tool."""

import json
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException, Query

from colonnade import (
    STANDARD,
    Database,
    Field,
    Relationship,
    Resource,
    SQLModel,
    mcp_server,
)
from colonnade.errors import ModelError
from colonnade.resources import Operation
from tests.agents.clients import Agent, agent_of

pytestmark = pytest.mark.asyncio


@pytest.fixture
def app(db: Database) -> FastAPI:
    """Accounts and entries of two tenants; payrolls, which nobody may read."""

    class Account(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tenant: str = "anna"
        name: str
        entries: list["Entry"] = Relationship(back_populates="account")

    class Entry(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        tenant: str = "anna"
        text: str
        account_id: int | None = Field(default=None, foreign_key="account.id")
        account: Account | None = Relationship(back_populates="entries")

    class Payroll(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        salary: int

    db.create_all()

    def tenant(x_tenant: Annotated[str, Header()]) -> dict[str, str]:
        if x_tenant not in {"anna", "boris"}:
            raise HTTPException(403, "Not a tenant.")
        return {"tenant": x_tenant}

    def refuse() -> None:
        raise HTTPException(403, "Not for you.")

    operations: frozenset[Operation] = STANDARD | {"aggregate"}
    entries = Resource(Entry, db, scope=tenant, include=["account"], operations=operations)
    accounts = Resource(
        Account, db, scope=tenant, include=["entries", "entries.count"],
        nested={"entries": entries}, operations=operations,
    )  # fmt: skip
    app = FastAPI()
    for resource in (accounts, entries, Resource(Payroll, db, dependencies=[Depends(refuse)])):
        app.include_router(resource)
    app.mount("/mcp", mcp_server(app, writable=True))
    with db.session() as session:
        for name in ("anna", "boris"):
            account = Account(tenant=name, name=f"account of {name}")
            session.add(Entry(tenant=name, text=f"secret of {name}", account=account))
        session.add(Payroll(salary=98765))
        session.commit()
    return app


async def everything(agent: Agent) -> str:
    """All answers to calls that try to reach rows of boris, with ids 2."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("describe", {}),
        ("describe", {"tables": ["accounts"]}),
    ]
    for table in ("accounts", "entries", "payrolls"):
        calls += [
            ("find", {"table": table, "count": "exact"}),
            ("find", {"table": table, "filters": {"tenant": "boris"}}),
            ("find", {"table": table, "where": {"or": [{"tenant": "boris"}, {"id": 2}]}}),
            ("find", {"table": table, "filters": {"tenant__ne": "anna"}}),
            ("read", {"table": table, "key": 2}),
            ("aggregate", {"table": table, "group_by": ["tenant"]}),
            ("explain", {"table": table, "filters": {"tenant": "boris"}}),
        ]
    calls += [
        ("find", {"table": "entries", "include": ["account"]}),
        ("find", {"table": "accounts", "include": ["entries", "entries.count"]}),
        ("find", {"table": "entries", "filters": {"account__name__startswith": "account of b"}}),
        ("find", {"table": "entries", "order_by": ["-account.name"]}),
        ("read", {"table": "accounts", "key": 2, "relation": "entries"}),
        ("aggregate", {"table": "entries", "group_by": ["account.name"]}),
        ("aggregate", {"table": "accounts", "aggregate": ["entries.count"]}),
    ]
    results = [await agent.session.call_tool(name, arguments) for name, arguments in calls]
    return "\n".join(str(result.content) for result in results)


async def test_no_tool_shows_rows_of_another_tenant(app: FastAPI) -> None:
    async with agent_of(app, x_tenant="anna") as agent:
        answers = await everything(agent)
    assert "secret of anna" in answers
    assert "of boris" not in answers
    assert "98765" not in answers
    assert "salary" not in answers
    assert '"count": 2' not in answers


WRITES: dict[str, list[dict[str, Any]]] = {
    "change": [{"action": "update", "table": "entries", "key": 2, "values": {"text": "x"}}],
    "delete": [{"action": "delete", "table": "entries", "key": 2}],
    "move out": [{"action": "update", "table": "entries", "key": 1, "values": {"tenant": "boris"}}],
    "create elsewhere": [
        {"action": "create", "table": "entries", "values": {"text": "x", "tenant": "boris"}}
    ],
    "refer": [{"action": "update", "table": "entries", "key": 1, "values": {"account_id": 2}}],
    "nested": [
        {"action": "update", "table": "accounts", "key": 1,
         "values": {"entries": {"connect": [2]}}}
    ],
    "hidden among others": [
        {"action": "create", "table": "entries", "values": {"text": "mine"}},
        {"action": "delete", "table": "entries", "key": 2},
    ],
    "a table that refuses": [
        {"action": "create", "table": "payrolls", "values": {"salary": 1}}
    ],
}  # fmt: skip


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("name", WRITES)
async def test_no_tool_writes_rows_of_another_tenant(
    app: FastAPI, db: Database, name: str, dry_run: bool
) -> None:
    async with agent_of(app, x_tenant="anna") as agent:
        refusal = await agent.refusal("write", changes=WRITES[name], dry_run=dry_run)
        assert refusal["status"] in {403, 404, 409, 422}
        assert "secret of boris" not in str(refusal)
        assert [row["text"] for row in await agent.rows("find", table="entries")] == [
            "secret of anna"
        ]
    async with agent_of(app, x_tenant="boris") as agent:
        (row,) = await agent.rows("find", table="entries")
    assert row == {"id": 2, "tenant": "boris", "text": "secret of boris", "account_id": 2}


@pytest.mark.parametrize("headers", [{}, {"x_tenant": "carla"}])
async def test_a_caller_whom_the_dependencies_refuse_sees_nothing(
    app: FastAPI, headers: dict[str, str]
) -> None:
    async with agent_of(app, **headers) as agent:
        assert await agent.call("describe") == {"tables": []}
        assert (await agent.refusal("find", table="entries"))["status"] in {403, 422}
        assert (await agent.refusal("explain", table="entries"))["status"] == 404


async def test_an_agent_cannot_choose_a_parameter_of_a_dependency(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        team: int

    db.create_all()

    def of_team(my_team: Annotated[int, Query()] = 1) -> dict[str, int]:
        return {"team": my_team}

    app = FastAPI()
    app.include_router(Resource(Note, db, scope=of_team))
    app.mount("/mcp", mcp_server(app))
    with db.session() as session:
        session.add_all([Note(team=1), Note(team=2)])
        session.commit()
    async with agent_of(app) as agent:
        assert await agent.rows("find", table="notes") == [{"id": 1, "team": 1}]
        refusal = await agent.refusal("find", table="notes", filters={"my_team": 2})
    assert refusal["error"] == (
        "filters: 'my_team' is not a field or relation of notes. It has: id, team."
    )


async def test_fields_are_those_of_the_callers_role(db: Database) -> None:
    class Person(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        name: str
        salary: int

    db.create_all()

    class PersonRead(Person, schema="read"):
        pass

    class PersonShort(SQLModel):
        id: int
        name: str

    def by_role(x_role: Annotated[str, Header()] = "") -> type[PersonRead] | type[PersonShort]:
        return PersonRead if x_role == "boss" else PersonShort

    app = FastAPI()
    app.include_router(Resource(Person, db, read=by_role))
    app.mount("/mcp", mcp_server(app))
    async with agent_of(app) as agent:
        assert "salary" not in json.dumps(await agent.call("describe", tables=["people"]))
        await agent.refusal("find", table="people", filters={"salary__gt": 1})
    async with agent_of(app, x_role="boss") as agent:
        assert "salary" in json.dumps(await agent.call("describe", tables=["people"]))


async def test_resources_may_be_others_than_those_of_the_app(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)
        text: str = "x"

    db.create_all()
    app = FastAPI()
    app.mount("/mcp", mcp_server(app, [Resource(Note, db, operations={"list"}, max_limit=5)]))
    with db.session() as session:
        session.add(Note())
        session.commit()
    async with agent_of(app) as agent:
        assert len(await agent.rows("find", table="notes", limit=5)) == 1
        refusal = await agent.refusal("find", table="notes", limit=6)
    assert "limit must be an integer from 1 to 5" in refusal["error"]


async def test_a_resource_whose_path_has_a_parameter_is_refused(db: Database) -> None:
    class Note(SQLModel, table=True):
        id: int | None = Field(default=None, primary_key=True)

    with pytest.raises(ModelError, match="The MCP server cannot show the Resource of Note"):
        mcp_server(FastAPI(), [Resource(Note, db, prefix="/teams/{team}/notes")])
