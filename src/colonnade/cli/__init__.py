"""The commands. Each is a thin call of what the other rooms do."""

from colonnade.cli import _check_command, _migration_commands
from colonnade.cli._app import main

__all__ = ["main"]

_ = (_check_command, _migration_commands)  # importing them is what adds the commands
