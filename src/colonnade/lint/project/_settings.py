"""The settings in ``[tool.colonnade.check]`` of pyproject.toml."""

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
MAX_FILE_SIZE = 1_000_000  # bytes; larger files are data or generated code


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a project.

    Attributes:
        root: The project's root, which module names are relative to.
        select: Codes or prefixes of codes to report: ``CLN2`` selects all codes that start with it.
        ignore: Codes or prefixes of codes not to report.
        per_file_ignores: Codes or prefixes not to report, by path pattern.
        exclude: Patterns of paths whose findings are not reported.
        baseline: The file with the known findings.
        max_file_size: The size in bytes of the largest file to check.
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
        """The settings of the project that contains a directory.

        Without a pyproject.toml, the project's root is the nearest folder with another marker,
        such as requirements.txt or .git, else the current directory.

        Raises:
            CheckError: The settings cannot be read, or are not valid.
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
        """Read the pyproject.toml in a directory.

        Raises:
            CheckError: The file cannot be read, or a setting is not valid.
        """
        file = root / "pyproject.toml"
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise CheckError(f"Could not read {file}: {error}") from None
        table = document.get("tool", {}).get("colonnade", {}).get("check", {})
        if not isinstance(table, dict):
            raise CheckError(f"{file}: {TABLE} must be a table, not {table!r}.")
        options = {_field(file, name): _value(file, name, table[name]) for name in table}
        return replace(cls(root), **options)


def is_project_root(root: Path) -> bool:
    """Whether a directory is one project; a home directory or ``/`` usually holds many."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home directory, as in some containers
        home = Path(root.anchor)
    return root not in (home, *home.parents) or _has_marker(root)


def _has_marker(root: Path) -> bool:
    """Whether a directory has a file that marks the root of a project."""
    return any((root / name).exists() for name in PROJECT_MARKERS)


OPTIONS = tuple(
    setting.name.replace("_", "-") for setting in fields(Settings) if setting.name != "root"
)


def _field(file: Path, name: str) -> str:
    if name not in OPTIONS:
        near = difflib.get_close_matches(name, OPTIONS, 1)
        hint = f"Did you mean {near[0]}?" if near else f"The options are {', '.join(OPTIONS)}."
        raise CheckError(f"{file}: {TABLE} has no option {name!r}. {hint}")
    return name.replace("-", "_")


def _value(file: Path, name: str, value: object) -> Any:
    match name:
        case "select" | "ignore" | "exclude":
            return _strings(file, name, value)
        case "per-file-ignores":
            if not isinstance(value, dict):
                raise CheckError(
                    f"{file}: {name} in {TABLE} must be a table that maps path patterns to lists"
                    f" of codes, not {value!r}."
                )
            return {
                pattern: _strings(file, f"{name} {pattern!r}", codes)
                for pattern, codes in value.items()
            }
        case "max-file-size":
            if not isinstance(value, int) or value < 1:
                raise CheckError(
                    f"{file}: {name} in {TABLE} must be a positive number of bytes, not {value!r}."
                )
            return value
        case _:
            if not isinstance(value, str):
                raise CheckError(f"{file}: {name} in {TABLE} must be a string, not {value!r}.")
            return value


def _strings(file: Path, name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise CheckError(f"{file}: {name} in {TABLE} must be a list of strings, not {value!r}.")
    return tuple(value)
