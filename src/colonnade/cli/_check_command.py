"""The arguments and the help of ``colonnade check``."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from colonnade.cli._app import app

_Codes = Optional[list[str]]  # noqa: UP045 - typer reads it at run time on every Python supported
_Text = Optional[str]  # noqa: UP045 - as above
_File = Optional[Path]  # noqa: UP045 - as above


class Format(str, Enum):  # noqa: UP042 - typer shows its values
    """The output format."""

    TEXT = "text"
    CONCISE = "concise"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


@app.command()
def check(
    paths: Annotated[
        Optional[list[Path]],  # noqa: UP045 - as above
        typer.Argument(
            metavar="PATHS",
            help="Files and folders; - for standard input.",
            show_default="the current project",
        ),
    ] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Apply the safe fixes.")] = False,
    unsafe_fixes: Annotated[
        bool,
        typer.Option(
            "--unsafe-fixes", help="With --fix or --diff: also apply fixes that need a review."
        ),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the changes that --fix would make.")
    ] = False,
    select: Annotated[
        _Codes,
        typer.Option(
            metavar="CODE",
            help="Check only these rules: CLN301, or CLN3 for all that start with it.",
        ),
    ] = None,
    ignore: Annotated[_Codes, typer.Option(metavar="CODE", help="Skip these rules.")] = None,
    output_format: Annotated[
        Format, typer.Option("--format", help="The output format.")
    ] = Format.TEXT,
    baseline: Annotated[
        _File,
        typer.Option(metavar="FILE", help="Ignore the findings recorded in this baseline file."),
    ] = None,
    write_baseline: Annotated[
        _File,
        typer.Option(metavar="FILE", help="Record the current findings in this baseline file."),
    ] = None,
    models: Annotated[
        _Text,
        typer.Option(
            metavar="MODULE",
            help="Import this module and review its tables: keys, indexes, cascades, types.",
        ),
    ] = None,
    database_url: Annotated[
        _Text,
        typer.Option(
            metavar="URL",
            help="With --models: also check this database for drift and missing indexes.",
        ),
    ] = None,
    explain: Annotated[_Text, typer.Option(metavar="CODE", help="Explain a rule.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules.")] = False,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Print the number of findings per rule.")
    ] = False,
    jobs: Annotated[
        Optional[int],  # noqa: UP045 - as above
        typer.Option(min=1, help="The maximum number of processes.", show_default="one per CPU"),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not read or write .colonnade_cache.")
    ] = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 even if there are findings.")
    ] = False,
    stdin_filename: Annotated[
        _File,
        typer.Option(metavar="FILE", help="The file name to assume for standard input."),
    ] = None,
    lsp: Annotated[
        bool, typer.Option("--lsp", help="Run as a language server on standard input and output.")
    ] = False,
) -> None:
    r"""Review SQLModel, SQLAlchemy and FastAPI code, and explain how to fix what it finds.

    Code is parsed and never imported. Python blocks in Markdown and notebooks are checked too. The
    settings are in \[tool.colonnade.check] of pyproject.toml. # noqa: CLN101 silences a line.

    Examples:
      colonnade check

      colonnade check app --fix

      colonnade check --explain CLN205

      colonnade check --models app.models --database-url postgresql://me@localhost/app
    """
    from colonnade.cli import _check

    if explain is not None:
        _check.explain(explain)
        return
    if rules:
        _check.list_rules()
        return
    if lsp:
        _check.serve_editor()
        return
    options = _check.CheckOptions(
        paths=tuple(paths or ()), fix=fix, unsafe=unsafe_fixes, diff=diff,
        select=_split(select), ignore=_split(ignore), format=output_format.value,
        baseline=baseline, write_baseline=write_baseline, models=models,
        database_url=database_url, statistics=statistics, jobs=jobs, cached=not no_cache,
        stdin_filename=stdin_filename,
    )  # fmt: skip
    exit_code = _check.run(options)
    raise typer.Exit(1 if exit_code and not exit_zero else 0)


def _split(codes: list[str] | None) -> tuple[str, ...] | None:
    """Split the values of a repeated option at commas."""
    if codes is None:
        return None
    return tuple(
        code.strip().upper()
        for codes_text in codes
        for code in codes_text.split(",")
        if code.strip()
    )
