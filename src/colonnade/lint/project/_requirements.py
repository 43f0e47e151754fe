"""The versions of packages that a project requires, as its files declare them."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?P<versions>[^;#@]*)"
)
_CLAUSE = re.compile(r"(?P<sign>===?|<=?|~=|\^|~)\s*(?P<version>\d+(?:\.\d+)*)")


def read_requirements(root: Path) -> dict[str, str]:
    """Return the versions that a project requires, by the name of the package.

    Args:
        root: The folder with pyproject.toml or requirements.txt.
    """
    requirements: dict[str, str] = {}
    for text in (*_pyproject(root / "pyproject.toml"), *_lines(root / "requirements.txt")):
        match = _REQUIREMENT.match(text)
        if match is not None:
            name = re.sub(r"[-_.]+", "-", match["name"]).lower()
            requirements.setdefault(name, match["versions"].strip())
    return requirements


def is_below(versions: str, limit: tuple[int, ...]) -> bool:
    """Whether all versions that a requirement allows are older than a version.

    Args:
        versions: The requirement, such as ``>=0.110,<0.118``, or ``^0.115`` as Poetry writes it.
        limit: The version.
    """
    return any(
        _end(match["sign"], match["version"]) <= limit for match in _CLAUSE.finditer(versions)
    )


def _end(sign: str, text: str) -> tuple[int, ...]:
    """The first version that a clause forbids, among those that are newer than it allows."""
    version = tuple(map(int, text.split(".")))
    match sign:
        case "<":
            return version
        case "~=":
            kept = max(len(version) - 1, 1)
        case "~":
            kept = min(len(version), 2)
        case "^":  # Poetry's: the first number that is not zero stays
            kept = next((index for index, part in enumerate(version, 1) if part), len(version))
        case _:
            return (*version, 0)
    return (*version[: kept - 1], version[kept - 1] + 1)


def _pyproject(file: Path) -> Iterator[str]:
    document: dict[str, Any] = {}
    with suppress(OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    listed = _table(document, "project").get("dependencies")
    yield from (
        (text for text in listed if isinstance(text, str)) if isinstance(listed, list) else ()
    )
    for name, value in _table(document, "tool", "poetry", "dependencies").items():
        version = value.get("version") if isinstance(value, dict) else value
        if isinstance(version, str):
            yield f"{name} {version if _CLAUSE.search(version) else f'=={version}'}"


def _table(document: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        value = document.get(name)
        if not isinstance(value, dict):
            return {}
        document = value
    return document


def _lines(file: Path) -> list[str]:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="utf-8").splitlines()
    return []
