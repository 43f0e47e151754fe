"""Copy the project template to a directory."""

import re
from importlib.resources import as_file, files
from pathlib import Path

from colonnade.errors import CommandError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_][A-Za-z0-9]+)*")
_SKIPPED = frozenset(("__pycache__",))


def lay_out(directory: Path, name: str) -> list[Path]:
    """Write the project into a directory.

    Args:
        directory: The directory, which must be empty or not exist.
        name: The name of the project.

    Returns:
        The written files, relative to ``directory``.

    Raises:
        CommandError: The name is invalid, or the directory is not empty or not writable.
    """
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is not a valid project name. Use letters, digits, dashes and underscores, "
            "starting with a letter."
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CommandError(
            f"{directory} already exists and is not empty. Choose another directory."
        )
    written: list[Path] = []
    with as_file(files(__package__) / "project") as source:
        for path in sorted(source.rglob("*")):
            relative = path.relative_to(source)
            if path.is_dir() or _SKIPPED & set(relative.parts):
                continue
            target = relative.with_name(relative.name.replace("dot_", "."))
            text = path.read_text(encoding="utf-8").replace("{{ name }}", name)
            try:
                (directory / target).parent.mkdir(parents=True, exist_ok=True)
                (directory / target).write_text(text, encoding="utf-8")
            except OSError as error:
                raise CommandError(f"Cannot write {directory}: {error.strerror}.") from error
            written.append(target)
    return written
