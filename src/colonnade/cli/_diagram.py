"""``colonnade diagram``: the diagram of a schema, in a file that a check keeps up to date."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from colonnade.cli import _console
from colonnade.cli._json_output import OutputFormat, present
from colonnade.cli._reports import DiagramReport
from colonnade.cli._tables import import_tables, open_database, project_models, reflect_tables
from colonnade.errors import CommandError
from colonnade.project import Project
from colonnade.studio.diagram import FORMATS, SchemaGraph, render


def write_diagram(
    target: str | None,
    output: Path | None,
    schemas: Sequence[str],
    output_format: OutputFormat,
    *,
    check: bool,
) -> None:
    """Write the diagram of a schema, or check that the file of an earlier one is up to date.

    Args:
        target: A module or a database URL; None for the models of the project.
        output: The file, whose suffix names the format; None prints Mermaid.
        schemas: The schemas of a database; by default its default schema.
        output_format: The format of what is printed.
        check: Whether to compare the file instead of writing it.

    Raises:
        CommandError: There are no tables, a library is missing, or the file is out of date.
        BadParameter: The format is unknown, or an option is not for this target.
        DatabaseError: The database cannot be used.
    """
    form = "mmd" if output is None else output.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise typer.BadParameter(
            f"Unknown format {output}. Name a file that ends with one of {known}.",
            param_hint="--output",
        )
    models, skipped = _models(target, schemas)
    graph = SchemaGraph.of(models)
    text = render(graph, form)
    for reason in skipped:
        _console.err.print(f"left out: {_console.escaped(reason)}")
    if check and output is None:
        raise typer.BadParameter(
            "--check needs the file of the diagram: -o schema.svg.", param_hint="--check"
        )
    if output is not None and check:
        _compare(text, output, target, schemas)
    elif output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8", newline="\n")
    report = DiagramReport(
        tables=len(graph.tables),
        relations=len(graph.relations),
        file=None if output is None else str(output),
        mermaid=text if output is None else None,
        left_out=tuple(skipped),
    )

    def print_report(report: DiagramReport) -> None:
        if report.mermaid is not None:
            sys.stdout.write(report.mermaid)
        elif check:
            _console.out.print(f"{_console.escaped(str(output))} is up to date.")
        else:
            _console.out.print(f"Wrote {_console.escaped(str(output))}: {graph.summary}.")

    present(report, output_format, print_report)


def _models(target: str | None, schemas: Sequence[str]) -> tuple[list[type[Any]], list[str]]:
    """The models of the tables, and what is left out."""
    if schemas and (target is None or "://" not in target):
        raise typer.BadParameter("Only a database URL has schemas.", param_hint="--schema")
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
