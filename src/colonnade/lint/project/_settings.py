"""What ``[tool.colonnade.check]`` in pyproject.toml says."""

import difflib
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from colonnade.errors import CheckError

TABLE = "[tool.colonnade.check]"
PROJECT_MARKERS = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "requirements.txt",
    "Pipfile",
    ".git",
    ".hg",
)
MAX_FILE_SIZE = 1_000_000  # of a file: more is data, or written by a program


@dataclass(frozen=True, slots=True)
class Settings:
    """How a project is checked.

    Attributes:
        root: Where the project is; module names count from it.
        select: The codes to look for, or how they begin: ``CLN2`` is all that begins so.
        ignore: The codes to leave out, likewise.
        per_file_ignores: For patterns of paths, the codes to leave out there.
        exclude: Patterns of paths whose findings are not reported.
        baseline: A file of findings that are known.
        max_file_size: The bytes of a file that is still checked.
    """

    root: Path
    select: tuple[str, ...] = ("CLN",)
    ignore: tuple[str, ...] = ()
    per_file_ignores: dict[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    baseline: str | None = None
    max_file_size: int = MAX_FILE_SIZE

    @classmethod
    def find(cls, directory: Path) -> "Settings":
        """The settings of the project that a directory is in.

        A project without pyproject.toml begins where its other files say so, such as
        requirements.txt or .git, else where the command is run.

        Raises:
            CheckError: They cannot be read, or say what is not known.
        """
        directory = directory.absolute()
        for folder in (directory, *directory.parents):
            if (folder / "pyproject.toml").is_file():
                return cls.read(folder)
        here = Path.cwd()
        start = here if directory.is_relative_to(here) and is_project_root(here) else directory
        return cls(next(filter(_has_marker, (start, *start.parents)), start))

    @classmethod
    def read(cls, root: Path) -> "Settings":
        """The settings of the pyproject.toml in a directory.

        Raises:
            CheckError: It cannot be read, or says what is not known.
        """
        file = root / "pyproject.toml"
        try:
            options = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise CheckError(f"{file} cannot be read: {error}") from None
        table = options.get("tool", {}).get("colonnade", {}).get("check", {})
        if not isinstance(table, dict):
            raise CheckError(f"{file}: {TABLE} has to be a table.")
        options = {_field(file, name): _value(file, name, table[name]) for name in table}
        return replace(cls(root), **options)


def is_project_root(root: Path) -> bool:
    """Whether a directory can be read as one project: a home directory or ``/`` holds many."""
    try:
        home = Path.home()
    except RuntimeError:  # of a user without one, as in some containers
        home = Path(root.anchor)
    return root not in (home, *home.parents) or _has_marker(root)


def _has_marker(root: Path) -> bool:
    """Whether a directory has a file that the root of a project has."""
    return any((root / name).exists() for name in PROJECT_MARKERS)


OPTIONS = tuple(
    setting.name.replace("_", "-") for setting in fields(Settings) if setting.name != "root"
)


def _field(file: Path, name: str) -> str:
    if name not in OPTIONS:
        near = difflib.get_close_matches(name, OPTIONS, 1)
        guess = f" Did you mean {near[0]}?" if near else f" There are {', '.join(OPTIONS)}."
        raise CheckError(f"{file}: {TABLE} has no {name!r}.{guess}")
    return name.replace("-", "_")


def _value(file: Path, name: str, value: object) -> Any:
    match name:
        case "select" | "ignore" | "exclude":
            return _strings(file, name, value)
        case "per-file-ignores":
            if not isinstance(value, dict):
                raise CheckError(f"{file}: {name} of {TABLE} has to be a table of patterns.")
            return {
                pattern: _strings(file, f"{name} {pattern!r}", codes)
                for pattern, codes in value.items()
            }
        case "max-file-size":
            if not isinstance(value, int) or value < 1:
                raise CheckError(f"{file}: {name} of {TABLE} has to be a number of bytes.")
            return value
        case _:
            if not isinstance(value, str):
                raise CheckError(f"{file}: {name} of {TABLE} has to be text.")
            return value


def _strings(file: Path, name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise CheckError(f"{file}: {name} of {TABLE} has to be a list of texts.")
    return tuple(value)
