"""The packaged skill: what a coding agent reads to build with Colonnade."""

import shutil
from importlib.resources import files
from pathlib import Path

from colonnade.errors import CommandError

AGENTS = Path(".agents")
"""Where agents look for the skills of a project: https://library-skills.io"""

CLAUDE = Path(".claude")
"""Where Claude Code looks for them."""


def skill_directory() -> Path:
    """The directory of the skill in the installed package."""
    return Path(str(files("colonnade.agents") / "skill"))


def install_skill(project: Path) -> list[Path]:
    """Copy the skill into a project, in place of an older one.

    Args:
        project: The directory of the project.

    Returns:
        The directories of the skill there: for all agents, and for Claude Code if the project has
        a directory for it.

    Raises:
        CommandError: It cannot be written.
    """
    roots = [AGENTS, *([CLAUDE] if (project / CLAUDE).is_dir() else [])]
    targets = [project / root / "skills/colonnade" for root in roots]
    for target in targets:
        try:
            if target.is_symlink():
                target.unlink()
            elif target.exists():
                shutil.rmtree(target)
            shutil.copytree(skill_directory(), target)
        except OSError as error:
            raise CommandError(f"Cannot write {target}: {error.strerror}.") from error
    return targets
