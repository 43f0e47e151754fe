"""A real MCP client of an application, which talks streamable HTTP to it in process."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client


class Agent:
    """What an agent sees of a server.

    Args:
        session: The session of the client.
    """

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    async def call(self, tool: str, **arguments: Any) -> Any:
        """The answer of a call that is carried out."""
        result = await self.session.call_tool(tool, arguments)
        answer = answer_of(result)
        assert not result.is_error, answer
        return answer

    async def rows(self, tool: str, **arguments: Any) -> Any:
        """The rows in an answer."""
        return (await self.call(tool, **arguments))["rows"]

    async def refusal(self, tool: str, **arguments: Any) -> Any:
        """The answer of a call that is refused."""
        result = await self.session.call_tool(tool, arguments)
        answer = answer_of(result)
        assert result.is_error, answer
        return answer


def answer_of(result: types.CallToolResult) -> Any:
    """The answer in a result, which has a single text."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return json.loads(content.text)


@asynccontextmanager
async def agent_of(app: Any, path: str = "/mcp/", **headers: str) -> AsyncIterator[Agent]:
    """An agent that calls with these headers."""
    transport = httpx2.ASGITransport(app=app)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx2.AsyncClient(transport=transport, headers=named) as http,
        streamable_http_client(f"http://test{path}", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        yield Agent(session)
