"""How agents use it: tools over the Resources, and the packaged skill."""

from colonnade.agents._commands import local_server, serve_on_stdio
from colonnade.agents._server import mcp_server

__all__ = ["local_server", "mcp_server", "serve_on_stdio"]
