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
        directory: Where to; made if it is not there. Nothing in it is overwritten.
        name: The project's name.

    Returns:
        The files written, relative to ``directory``.

    Raises:
        CommandError: The name is none, the directory is not empty or cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is not a project name. Use letters, digits and dashes, beginning with a "
            f"letter."
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CommandError(f"{directory} already exists. Choose another name, or remove it.")
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
