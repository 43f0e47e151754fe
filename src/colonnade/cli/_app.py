"""The ``colonnade`` command, and its commands except ``check`` and those for migrations.

Exit codes: 0 success, 1 findings or failure, 2 invalid usage.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from colonnade.cli import _console
from colonnade.cli._json_output import (
    FormatOption,
    OutputFormat,
    run_with_json,
    wants_json,
)
from colonnade.errors import ColonnadeError

app = typer.Typer(
    name="colonnade",
    help="The data layer for FastAPI built on SQLModel: write the table once.",
    epilog="Exit codes: 0 success, 1 failure (the output says why), 2 invalid usage.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DatabaseURLOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time on every Python supported
    typer.Option(
        "--database-url",
        metavar="URL",
        help="Use this database instead of SQLite, such as postgresql://user:pass@host/db.",
        show_default=False,
    ),
]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """The data layer for FastAPI built on SQLModel: write the table once."""
    if version:
        from colonnade import __version__

        _console.out.print(f"colonnade {__version__}")
        raise typer.Exit


@app.command()
def demo(
    directory: Annotated[
        Optional[Path],  # noqa: UP045 - as above
        typer.Option(
            help="Create the project in this directory and keep it.", show_default="temporary"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Listen on this address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Listen on this port.", min=0, max=65535)] = 8000,
    database_url: DatabaseURLOption = None,
) -> None:
    """Serve an example API with a few hundred tasks. Nothing needs to be set up.

    It has projects, tasks with subtasks, the people and agents that work on them, and their roles.
    Press Ctrl-C to stop it. Its files are then deleted, unless you pass --directory.

    Examples:
      colonnade demo

      colonnade demo --directory tasks --database-url postgresql://me@localhost/tasks
    """
    from colonnade.cli._demo import serve_demo

    serve_demo(directory, host, port, database_url)


@app.command()
def serve(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A module with tables, such as app.models, or a database URL.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Listen on this address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Listen on this port.", min=0, max=65535)] = 8000,
    database_url: DatabaseURLOption = None,
    writable: Annotated[
        Optional[bool],  # noqa: UP045 - as above
        typer.Option(
            "--writable/--read-only",
            help="Allow or refuse writes. By default, the tables of a module are writable, and "
            "those of a database URL are read-only.",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        Optional[list[str]],  # noqa: UP045 - as above
        typer.Option(
            help="Serve the tables of this schema instead of the default one. Repeatable."
        ),
    ] = None,
) -> None:
    """Serve the tables of a module or of a database over HTTP.

    The API lists rows with filters, pages and includes, and reads single rows and relations. If
    writable, it has all operations of a Resource, and creates missing tables of a module.

    Examples:
      colonnade serve app.models

      colonnade serve sqlite:///shop.db

      colonnade serve postgresql://me@localhost/shop --writable
    """
    from colonnade.cli._serve import serve_target

    serve_target(target, host, port, database_url, writable=writable, schemas=schema or ())


@app.command()
def diagram(
    target: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Argument(
            metavar="[TARGET]",
            help="A module with tables, such as app.models, or a database URL.",
            show_default="the models of the project",
        ),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045 - as above
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write this file: .svg, .mmd (Mermaid) or .dot (Graphviz).",
            show_default="print Mermaid",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Fail if the file is out of date, and do not write it.")
    ] = False,
    schema: Annotated[
        Optional[list[str]],  # noqa: UP045 - as above
        typer.Option(
            help="Draw the tables of this schema instead of the default one (database URLs only). "
            "Repeatable."
        ),
    ] = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Draw a diagram of tables, keys and relations.

    The output is deterministic, so --check can compare a committed file. SVG requires
    colonnade[diagram]; Mermaid (which GitHub renders) and Graphviz require no extra.

    Examples:
      colonnade diagram -o docs/schema.svg

      colonnade diagram app.models --check -o docs/schema.svg

      colonnade diagram postgresql://me@localhost/shop -o shop.mmd
    """
    from colonnade.cli._diagram import write_diagram

    write_diagram(target, output, schema or (), output_format, check=check)


@app.command()
def studio(
    target: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Argument(
            metavar="[TARGET]",
            help="A module with tables, such as app.models, or a database URL. Default: the models "
            "of the project.",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Listen on this port.", min=0, max=65535)] = 8000,
    database_url: DatabaseURLOption = None,
    writable: Annotated[
        bool,
        typer.Option(
            "--writable",
            help="Allow changes, and create missing tables of a module. By default, Studio only "
            "reads.",
        ),
    ] = False,
    schema: Annotated[
        Optional[list[str]],  # noqa: UP045 - as above
        typer.Option(
            help="Show the tables of this schema instead of the default one (database URLs only). "
            "Repeatable."
        ),
    ] = None,
    show_sql: Annotated[
        bool,
        typer.Option("--show-sql", help="Show the SQL and the query plan of each list and row."),
    ] = False,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")
    ] = True,
) -> None:
    """Browse the rows of a project, a module or a database, and edit them with --writable.

    Studio listens on 127.0.0.1 only. It prints a URL with a token, and refuses requests without it.
    The dependencies, scopes, hooks and actions of your Resources do not apply: mount Studio in the
    application to use them.

    Examples:
      colonnade studio

      colonnade studio app.models --writable

      colonnade studio sqlite:///shop.db
    """
    from colonnade.cli._studio import serve_studio

    serve_studio(
        target,
        port,
        database_url,
        writable=writable,
        schemas=schema or (),
        shows_sql=show_sql,
        opens_browser=browser,
    )


@app.command()
def mcp(
    target: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Argument(
            metavar="[TARGET]",
            help="A module with tables, such as app.models, or a database URL. Default: the "
            "application of the project.",
            show_default=False,
        ),
    ] = None,
    database_url: DatabaseURLOption = None,
    writable: Annotated[
        bool, typer.Option("--writable", help="Allow changes. By default, the tools only read.")
    ] = False,
    http: Annotated[
        bool,
        typer.Option("--http", help="Serve HTTP instead of standard input and output."),
    ] = False,
    port: Annotated[
        int, typer.Option(help="Listen on this port, with --http.", min=0, max=65535)
    ] = 8000,
    schema: Annotated[
        Optional[list[str]],  # noqa: UP045 - as above
        typer.Option(
            help="Serve the tables of this schema instead of the default one (database URLs only). "
            "Repeatable."
        ),
    ] = None,
) -> None:
    """Give an agent tools to read the tables, and to write them with --writable.

    An agent starts the command and talks to it over standard input and output (MCP). The tools call
    the Resources of the application: its dependencies and scopes apply, and get the headers in
    COLONNADE_MCP_HEADERS. Needs colonnade[mcp].

    Examples:
      colonnade mcp

      colonnade mcp app.models --writable

      colonnade mcp sqlite:///shop.db --http
    """
    from colonnade.cli._mcp import serve_mcp

    serve_mcp(
        target,
        database_url,
        writable=writable,
        schemas=schema or (),
        port=port if http else None,
    )


@app.command()
def skill(
    install: Annotated[
        Optional[Path],  # noqa: UP045 - as above
        typer.Option(
            metavar="DIR",
            help="Copy the skill into the project in this directory, to .agents/skills/colonnade.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print what a coding agent should know of Colonnade, or install it into a project.

    Examples:
      colonnade skill

      colonnade skill --install .
    """
    from colonnade.cli._skill import show_skill

    show_skill(install)


@app.command()
def new(
    name: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Argument(help="The name of the project, and of the directory to create."),
    ] = None,
    model: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Option(help="The name of the first model.", show_default="Item"),
    ] = None,
    example: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Option(help="Start from a complete example application: tasks.", show_default=False),
    ] = None,
    directory: Annotated[
        Optional[Path],  # noqa: UP045 - as above
        typer.Option(help="Create the project in this directory.", show_default="NAME"),
    ] = None,
) -> None:
    """Create a project: a model, its API, settings, migrations, tests and a Dockerfile.

    No file is overwritten. Without NAME, the command asks for it on a terminal.

    Examples:
      colonnade new tracker

      colonnade new library --model Book

      colonnade new tracker --example tasks
    """
    from colonnade.cli._new import create_project

    if name is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                "Missing project name. Run: colonnade new NAME", param_hint="NAME"
            )
        name = typer.prompt("Name of the project")
    create_project(directory or Path(name), name, model=model, example=example)


@app.command("test-db", context_settings={"ignore_unknown_options": True})
def serve_test_db(
    command: Annotated[
        Optional[list[str]],  # noqa: UP045 - as above
        typer.Argument(
            metavar="[-- COMMAND ...]",
            help="Run this command with DATABASE_URL set, and stop the database when it ends.",
            show_default=False,
        ),
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Do not create tables.")] = False,
) -> None:
    r"""Start a temporary PostgreSQL server and print its URL.

    The server comes with colonnade\[test], and its data is deleted when it stops. The tables of
    the current project are created if \[tool.colonnade] in pyproject.toml names its app or models.

    Examples:
      colonnade test-db

      colonnade test-db -- uvicorn app.main:app --reload
    """
    from colonnade.cli._test_db import run_test_db

    raise typer.Exit(run_test_db(command or [], empty=empty))


@app.command()
def inspect(
    database_url: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Option(
            "--database-url",
            metavar="URL",
            help="Use this database instead of the project's.",
            show_default=False,
        ),
    ] = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Show the tables, relations, Resources, routes, scopes and migrations of a project.

    Use it to get to know a project, or as a part of a prompt. It imports the app and reads the
    database's revision; it changes nothing.

    Examples:
      colonnade inspect

      colonnade inspect --format json
    """
    from colonnade.cli._inspect import inspect_project

    inspect_project(database_url, output_format)


@app.command()
def doctor(
    url: Annotated[
        Optional[str],  # noqa: UP045 - as above
        typer.Argument(
            help="The database URL. Default: the project's database, or DATABASE_URL.",
            show_default=False,
        ),
    ] = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Explain a database URL, test the connection, and suggest changes.

    The report shows what each URL parameter becomes for the sync and the async driver, which ones
    are dropped and why. Then the command connects with both drivers. Passwords are never shown.

    Example:
      colonnade doctor 'postgresql://me:secret@host/db?sslmode=require'
    """
    from colonnade.cli._doctor import report

    if not report(url, output_format):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line, and print an error of Colonnade as one line."""
    # Any other exception is a bug and keeps its traceback.
    try:
        if wants_json(sys.argv[1:]):
            sys.exit(run_with_json(app))
        app(prog_name="colonnade")
    except ColonnadeError as error:
        _console.err.print(f"[bold red]error:[/bold red] {_console.escaped(str(error))}")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
