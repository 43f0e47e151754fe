"""The files of a project."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

SUFFIXES = frozenset({".py", ".pyi", ".md", ".markdown", ".ipynb"})
# Folders of tools, which are not the project's code.
SKIPPED_FOLDERS = frozenset(
    {".bzr", ".colonnade_cache", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints",
     ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__",
     "__pypackages__", "node_modules", "site-packages", "venv"}
)  # fmt: skip


@dataclass(frozen=True)
class ProjectFile:
    """A file of the project.

    Attributes:
        path: The absolute path.
        name: The path relative to the project's root.
        module: The unique name of its module.
        is_reported: Whether its findings are reported; other files are only read for their names.
    """

    path: Path
    name: str
    module: str
    is_reported: bool


class Files:
    """Finds the files of a project.

    Args:
        root: The project's root.
        exclude: Patterns of paths, relative to the root, whose findings are not reported.
    """

    def __init__(self, root: Path, exclude: Iterable[str] = ()) -> None:
        self.root = root
        self._exclude = tuple(exclude)

    def walk(self, start: Path) -> Iterator[Path]:
        """Yield the files below a directory in a stable order, without following links."""
        for folder, folders, names in os.walk(start):
            here = Path(folder)
            folders[:] = sorted(
                name
                for name in folders
                if name not in SKIPPED_FOLDERS
                and "{{" not in name  # a project template, not Python yet
                and not (here / name / "pyvenv.cfg").exists()
                and not self._is_ignored(here / name, "/")
            )
            for name in sorted(names):
                path = here / name
                if path.suffix in SUFFIXES and not self._is_ignored(path):
                    yield path

    def relative_name(self, path: Path) -> str:
        """The path relative to the project's root, or the absolute path if it is outside."""
        path = path.absolute()
        return (path.relative_to(self.root) if path.is_relative_to(self.root) else path).as_posix()

    def excluded(self, path: Path) -> bool:
        """Whether the settings exclude a path."""
        name = self.relative_name(path)
        parents = [name, *(parent.as_posix() for parent in Path(name).parents)]
        return any(
            fnmatch(candidate, pattern) or fnmatch(Path(candidate).name, pattern)
            for candidate in parents
            for pattern in (entry.rstrip("/") for entry in self._exclude)
        )

    def _is_ignored(self, path: Path, end: str = "") -> bool:
        return bool(self._ignored) and self._ignored.match_file(self.relative_name(path) + end)

    @cached_property
    def _ignored(self) -> GitIgnoreSpec:
        """The patterns of .gitignore; invalid lines are skipped, as git does."""
        try:
            lines = (self.root / ".gitignore").read_bytes().decode(errors="replace").splitlines()
        except OSError:
            lines = []
        return GitIgnoreSpec.from_lines(filter(_is_pattern, lines))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
