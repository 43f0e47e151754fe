"""The files that are checked."""

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from pathspec import GitIgnoreSpec

SUFFIXES = frozenset({".py", ".pyi", ".md", ".markdown", ".ipynb"})
# What tools keep beside a project's own code.
NEVER = frozenset(
    {".bzr", ".colonnade_cache", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints",
     ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__",
     "__pypackages__", "node_modules", "site-packages", "venv"}
)  # fmt: skip


class Files:
    """Finds the files of a project.

    Args:
        root: Where the project is.
        exclude: Patterns of paths, from the root, that are not searched.
    """

    def __init__(self, root: Path, exclude: Iterable[str] = ()) -> None:
        self.root = root
        self._exclude = tuple(exclude)

    def below(self, start: Path) -> Iterator[Path]:
        """The files to check below a directory, in order; links to folders are not entered."""
        for folder, folders, names in os.walk(start):
            here = Path(folder)
            folders[:] = sorted(
                name
                for name in folders
                if name not in NEVER
                and "{{" not in name  # a template of a project, which is no Python yet
                and not self._left_out(here / name, "/")
            )
            for name in sorted(names):
                path = here / name
                if path.suffix in SUFFIXES and not self._left_out(path):
                    yield path

    def name(self, path: Path) -> str:
        """A path from the project's root, if it is in it."""
        try:
            return path.absolute().relative_to(self.root).as_posix()
        except ValueError:
            return path.absolute().as_posix().lstrip("/")

    def excluded(self, path: Path) -> bool:
        """Whether the settings leave a path out."""
        name = self.name(path)
        parents = [name, *(parent.as_posix() for parent in Path(name).parents)]
        return any(
            fnmatch(one, pattern) or fnmatch(Path(one).name, pattern)
            for one in parents
            for pattern in (entry.rstrip("/") for entry in self._exclude)
        )

    def _left_out(self, path: Path, end: str = "") -> bool:
        if self._exclude and self.excluded(path):
            return True
        return bool(self._ignored) and self._ignored.match_file(self.name(path) + end)

    @cached_property
    def _ignored(self) -> GitIgnoreSpec:
        """What the project's .gitignore leaves out."""
        try:
            lines = (self.root / ".gitignore").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            lines = []
        return GitIgnoreSpec.from_lines(lines)
