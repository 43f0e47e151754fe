"""``colonnade skill``: the packaged skill for coding agents."""

import sys
from pathlib import Path

from colonnade.agents import install_skill, skill_directory
from colonnade.cli import _console
from colonnade.errors import CommandError


def show_skill(project: Path | None) -> None:
    """Print the skill, or copy it into a project.

    Args:
        project: The directory of the project; None to print the skill.

    Raises:
        CommandError: The directory does not exist, or cannot be written.
    """
    if project is None:
        directory = skill_directory()
        sys.stdout.write((directory / "SKILL.md").read_text(encoding="utf-8"))
        _console.err.print(f"The references are in {_console.escaped(str(directory))}.")
        return
    if not project.is_dir():
        raise CommandError(f"Directory not found: {project}. Name that of a project.")
    for target in install_skill(project):
        _console.out.print(f"Installed {_console.escaped(str(target))}.")
