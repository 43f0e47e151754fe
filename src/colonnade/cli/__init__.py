"""The commands. Each is a thin call of what the other rooms do."""

from colonnade.cli._app import main

__all__ = ["main"]
