"""How agents use it: tools over the Resources, and the packaged skill."""

from colonnade.agents._commands import local_server, serve_on_stdio
from colonnade.agents._server import mcp_server
from colonnade.agents._skill import install_skill, skill_directory

__all__ = [
    "install_skill",
    "local_server",
    "mcp_server",
    "serve_on_stdio",
    "skill_directory",
]
