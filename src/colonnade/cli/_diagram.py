"""``colonnade diagram``: the diagram of a schema, in a file that a check keeps up to date."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from colonnade.cli import _console
from colonnade.cli._tables import import_tables, open_database, project_models, reflect_tables
from colonnade.errors import CommandError
from colonnade.project import Project
from colonnade.studio.diagram import FORMATS, SchemaGraph, render


def write_diagram(
    target: str | None, output: Path | None, schemas: Sequence[str], *, check: bool
) -> None:
    """Write the diagram of a schema, or check that the file of an earlier one is up to date.

    Args:
        target: A module or a database URL; None for the models of the project.
        output: The file, whose suffix names the format; None prints Mermaid.
        schemas: The schemas of a database; by default its default schema.
        check: Whether to compare the file instead of writing it.

    Raises:
        CommandError: There are no tables, the format is unknown, a library is missing, or the file
            is out of date.
        DatabaseError: The database cannot be used.
    """
    form = "mmd" if output is None else output.suffix.removeprefix(".")
    if form not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise CommandError(f"Unknown format {output}. Name a file that ends with one of {known}.")
    models, skipped = _models(target, schemas)
    graph = SchemaGraph.of(models)
    text = render(graph, form)
    for reason in skipped:
        _console.err.print(f"left out: {_console.escaped(reason)}")
    if output is None:
        if check:
            raise CommandError("--check needs the file of the diagram: -o schema.svg.")
        sys.stdout.write(text)
    elif check:
        _compare(text, output, target, schemas)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8", newline="\n")
        _console.out.print(f"Wrote {_console.escaped(str(output))}: {graph.summary}.")


def _models(target: str | None, schemas: Sequence[str]) -> tuple[list[type[Any]], list[str]]:
    """The models of the tables, and what is left out."""
    if target is None:
        return project_models(Project.find(Path.cwd())), []
    if "://" not in target:
        return import_tables(target)[1], []
    db = open_database(target, writable=False)
    reflection = reflect_tables(db, schemas)
    db.dispose()
    skipped = [f"{name}, because {why}" for name, why in reflection.skipped.items()]
    return list(reflection.models.values()), skipped


def _compare(text: str, output: Path, target: str | None, schemas: Sequence[str]) -> None:
    arguments = [
        *([] if target is None else [target]),
        *(part for schema in schemas for part in ("--schema", schema)),
        "-o",
        str(output),
    ]
    command = f"colonnade diagram {shlex.join(arguments)}"
    if not output.exists():
        raise CommandError(f"{output} does not exist. Run {command}.")
    if output.read_text(encoding="utf-8") != text:
        raise CommandError(f"{output} is out of date. Run {command}.")
    _console.out.print(f"{_console.escaped(str(output))} is up to date.")
