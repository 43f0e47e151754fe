"""The command line. Each command is a thin call of the other packages."""

from colonnade.cli import _check_command, _migration_commands
from colonnade.cli._app import main

__all__ = ["main"]

_ = (_check_command, _migration_commands)  # importing these modules registers their commands
