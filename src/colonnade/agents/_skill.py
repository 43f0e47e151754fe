"""The packaged skill: what a coding agent reads to build with Colonnade."""

import shutil
from importlib.resources import files
from pathlib import Path

from colonnade.errors import CommandError

INSTALLED = Path(".agents/skills/colonnade")
"""Where agents look for the skills of a project: https://library-skills.io"""


def skill_directory() -> Path:
    """The directory of the skill in the installed package."""
    return Path(str(files("colonnade.agents") / "skill"))


def install_skill(project: Path) -> Path:
    """Copy the skill into a project, in place of an older one.

    Args:
        project: The directory of the project.

    Returns:
        The directory of the skill there.

    Raises:
        CommandError: It cannot be written.
    """
    target = project / INSTALLED
    try:
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(skill_directory(), target)
    except OSError as error:
        raise CommandError(f"Cannot write {target}: {error.strerror}.") from error
    return target
