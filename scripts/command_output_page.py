"""Writes docs/reference/command-output.md from the reports of the commands."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from colonnade.cli._reports import REPORTS, ErrorReport

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command-output.md"

INTRO = """\
# Output of commands as JSON

With `--format json`, these commands print one JSON document on standard output and nothing else,
for scripts and coding agents. Progress, and what your code prints, goes to standard error. A
command that fails prints [an error](#errors). The exit codes are the same as without `--format`. A
release may add fields, but does not remove or change them.

```sh
colonnade current --format json
```

[`colonnade check --format json`](../check.md) prints its findings as a list.
"""

NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def page() -> str:
    """The text of the page."""
    commands: dict[type[Any], list[str]] = {}
    for command, report in REPORTS.items():
        commands.setdefault(report, []).append(f"`colonnade {command}`")
    sections = [
        section(" and ".join(names), report, note=notes_of(report))
        for report, names in commands.items()
    ]
    errors = section("Errors", ErrorReport, note=notes_of(ErrorReport))
    parts = dict.fromkeys(each for report in (*commands, ErrorReport) for each in parts_of(report))
    objects = [section(title_of(part), part, level=3, note=summary_of(part)) for part in parts]
    return "\n".join([INTRO, *sections, errors, "## Objects in these documents\n", *objects])


def section(title: str, report: type[Any], *, note: str, level: int = 2) -> str:
    """A heading, and the table of the fields of a report."""
    meanings = dict(re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", docs_of(report), re.MULTILINE))
    rows = [
        f"| `{field.name}` | {type_name(field.type)} | {' '.join(meanings[field.name].split())} |"
        for field in fields(report)
    ]
    text = f"{note}\n\n" if note else ""
    table = "\n".join(["| Field | Type | Meaning |", "|---|---|---|", *rows])
    return f"{'#' * level} {title}\n\n{text}{table}\n".replace("``", "`")


def docs_of(report: type[Any]) -> str:
    """The docstring of a report."""
    return cleandoc(report.__doc__ or "")


def summary_of(report: type[Any]) -> str:
    """What a report is."""
    return docs_of(report).partition("\n")[0]


def notes_of(report: type[Any]) -> str:
    """What a summary says after its first sentence."""
    return summary_of(report).partition(". ")[2]


def title_of(report: type[Any]) -> str:
    """The name of a class as words."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: f" {match[0].lower()}", report.__name__)


def type_name(annotation: Any) -> str:
    """The JSON type of a field."""
    if is_dataclass(annotation):
        title = title_of(annotation)  # type: ignore[arg-type]  # a class, not an instance
        return f"[{title}](#{title.lower().replace(' ', '-')})"
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if get_origin(annotation) is UnionType:
        return " or ".join(map(type_name, arguments))
    if get_origin(annotation) is tuple:
        return f"list of {type_name(arguments[0])}"
    if get_origin(annotation) is dict:
        return f"object of {type_name(arguments[1])}"
    return NAMES[annotation]


def parts_of(report: type[Any]) -> Iterator[type[Any]]:
    """The dataclasses in a report, each before those in it."""
    for field in fields(report):
        for inner in (field.type, *get_args(field.type)):
            if is_dataclass(inner):
                yield inner  # type: ignore[misc]  # a class, not an instance
                yield from parts_of(inner)  # type: ignore[arg-type]  # as above


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
