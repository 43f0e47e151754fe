"""``colonnade mcp``: an agent starts it, and talks to it over standard input or HTTP."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from colonnade import Database
from tests.agents.clients import Agent

pytestmark = pytest.mark.slow

COLONNADE = (sys.executable, "-m", "colonnade")
PAGE = Path(__file__).parents[2] / "docs" / "agents.md"

PROJECT = """
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse

from colonnade import Database, Field, Resource, SQLModel

print("a library that prints")


class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner: str
    text: str


def own(authorization: Annotated[str, Header()]) -> dict[str, str]:
    with db.session() as session:
        session.add(Note(owner="log", text="a dependency that writes"))
        if authorization == "Bearer writer":
            session.commit()
    return {"owner": authorization.removeprefix("Bearer ")}


db = Database()
app = FastAPI(lifespan=db.lifespan)
app.include_router(Resource(Note, db, scope=own))


@app.middleware("http")
async def refuse(request: Request, call_next):
    if request.headers.get("authorization") == "Bearer nobody":
        return JSONResponse({"detail": "Not you."}, 403)
    return await call_next(request)


@app.get("/{path:path}")
def everything(path: str) -> str:
    return path
"""


@pytest.fixture
def project(tmp_path: Path, db: Database) -> Path:
    """A project with notes of anna and boris, in the database of the test."""
    if db.url.memory:
        pytest.skip("another process cannot open a database in memory")
    (tmp_path / "pyproject.toml").write_text('[tool.colonnade]\napp = "shop:app"\n')
    (tmp_path / "shop.py").write_text(PROJECT)
    create = (
        "import shop\nshop.db.create_all()\nwith shop.db.session() as s:\n"
        "    s.add(shop.Note(owner='anna', text='hers'))\n"
        "    s.add(shop.Note(owner='boris', text='his'))\n    s.commit()"
    )
    subprocess.run([sys.executable, "-c", create], cwd=tmp_path, env=environment(), check=True)
    return tmp_path


def environment(headers: str = "") -> dict[str, str]:
    return {**os.environ, "COLONNADE_MCP_HEADERS": headers}  # with the DATABASE_URL of the test


@asynccontextmanager
async def started(directory: Path, *arguments: str, headers: str = "") -> AsyncIterator[Agent]:
    """An agent that has started the command."""
    server = StdioServerParameters(
        command=COLONNADE[0],
        args=[*COLONNADE[1:], "mcp", *arguments],
        env=environment(headers),
        cwd=directory,
    )
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield Agent(session)


@pytest.mark.asyncio
async def test_the_application_of_a_project_judges_the_headers(project: Path) -> None:
    async with started(project, headers="Authorization: Bearer anna") as agent:
        assert [row["text"] for row in await agent.rows("find", table="notes")] == ["hers"]
        assert "sql" in await agent.call("explain", table="notes")
        assert "write" not in [tool.name for tool in (await agent.session.list_tools()).tools]
    async with started(project) as agent:
        assert await agent.call("describe") == {"tables": []}
    async with started(project, headers="Authorization: Bearer nobody") as agent:
        assert await agent.refusal("describe") == {"error": "Not you.", "status": 403}


@pytest.mark.asyncio
async def test_without_writable_the_sessions_of_the_database_only_read(project: Path) -> None:
    """Even those of the application's own code."""
    async with started(project, headers="Authorization: Bearer writer") as agent:
        refusal = await agent.refusal("find", table="notes")
    assert refusal["error"].startswith(("The server had an internal error", "The database"))
    writable = started(project, "--writable", headers="Authorization: Bearer writer")
    async with writable as agent:
        assert await agent.rows("find", table="notes") == []
        change = {"action": "create", "table": "notes", "values": {"owner": "writer", "text": "x"}}
        await agent.call("write", changes=[change], dry_run=False)
        assert [row["text"] for row in await agent.rows("find", table="notes")] == ["x"]


@pytest.mark.asyncio
async def test_a_module_and_a_database_need_no_application(project: Path) -> None:
    async with started(project, "shop") as agent:
        rows = await agent.rows("aggregate", table="notes", group_by=["owner"])
        assert rows == [{"owner": "anna", "count": 1}, {"owner": "boris", "count": 1}]
    async with started(project, environment()["DATABASE_URL"]) as agent:
        assert [table["table"] for table in (await agent.call("describe"))["tables"]] == ["note"]
        assert len(await agent.rows("find", table="note")) == 2


def test_wrong_targets_and_headers_are_explained(project: Path) -> None:
    def error(*arguments: str, headers: str = "") -> str:
        completed = subprocess.run(
            [*COLONNADE, "mcp", *arguments], check=False, cwd=project, env=environment(headers),
            capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert (completed.returncode, completed.stdout) == (1, "")
        return completed.stderr

    assert "Cannot import nothing" in error("nothing")
    message = error(headers="Authorization: Bearer x\ns3cret")
    assert "Line 2 of COLONNADE_MCP_HEADERS is not a header" in message
    assert "s3cret" not in message


@pytest.fixture
def url(project: Path) -> Iterator[str]:
    """The URL that ``colonnade mcp --http`` prints."""
    process = subprocess.Popen(
        [*COLONNADE, "mcp", "shop", "--http", "--port", "0"],
        cwd=project, env=environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    printed = None
    while printed is None:
        line = process.stdout.readline()
        assert line, "the command ended"
        printed = re.search(r"http://127\.0\.0\.1:\d+/\S+/", line)
    yield printed[0]
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.mark.asyncio
async def test_over_http_only_the_printed_url_is_served(url: str) -> None:
    async with httpx2.AsyncClient() as http:
        async with (
            streamable_http_client(url, http_client=http) as streams,
            ClientSession(*streams[:2]) as session,
        ):
            await session.initialize()
            assert len(await Agent(session).rows("find", table="notes")) == 2
        root = url.rpartition("/")[0].rpartition("/")[0]
        for path in ("/notes", "/docs", "/mcp/", "/"):
            assert (await http.get(f"{root}{path}")).status_code == 404
        assert (await http.get(url, headers={"host": "evil.example.com"})).status_code == 421


def test_the_session_in_the_documentation_is_what_happens(tmp_path: Path) -> None:
    page = PAGE.read_text()
    program = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    shown = re.search(r"^It prints:\n\n```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    completed = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert _without_etags(completed.stdout.strip()) == _without_etags(shown[1].strip())


def _without_etags(text: str) -> str:
    """The text without ETags, which depend on the secret of the database."""
    return re.sub(r'\\"[0-9a-f-]+\\"', "etag", text)
