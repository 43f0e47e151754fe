"""``colonnade new``: creates a project and prints the commands that start it."""

import shlex
import sys
from pathlib import Path
from shutil import which

from colonnade.cli import _console
from colonnade.templates import lay_out


def create_project(directory: Path, name: str, *, model: str | None, example: str | None) -> None:
    """Create a project and print what to do next.

    Raises:
        CommandError: A name is invalid, or the directory is not empty or not writable.
    """
    written = lay_out(directory, name, model=model, example=example)
    _console.out.print(f"[bold]{name}[/bold]: {len(written)} files in {directory}")
    commands = [
        *_activation(),
        f"cd {shlex.quote(str(directory))}",
        'pip install -e ".[test]"',
        "colonnade upgrade",
        "pytest",
        "uvicorn app.main:app --reload",
    ]
    _console.out.print("\nNext:\n")
    for command in commands:
        _console.out.print(f"  {_console.escaped(command)}")


def _activation() -> list[str]:
    """The command to activate the environment of this process, unless it is active already."""
    scripts = Path(sys.executable).parent
    if sys.prefix == sys.base_prefix or which("pip") == str(scripts / "pip"):
        return []
    script = scripts / "activate"
    here = Path.cwd()
    shown = script.relative_to(here) if script.is_relative_to(here) else script
    return [f". {shlex.quote(str(shown))}"]
