"""The options and the help of the migration commands."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from colonnade.cli._app import app
from colonnade.cli._json_output import FormatOption, OutputFormat

DatabaseURLOption = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time on every Python supported
    typer.Option(
        "--database-url", metavar="URL", help="Use this database instead of the project's.",
        show_default=False,
    ),
]  # fmt: skip
ShadowOption = Annotated[
    Optional[str],  # noqa: UP045 - as above
    typer.Option(
        "--shadow-url", metavar="URL", show_default=False,
        help="Replay the history on this server, or in SQLite (sqlite://).",
    ),
]  # fmt: skip
MessageOption = Annotated[
    Optional[str],  # noqa: UP045 - as above
    typer.Option("-m", "--message", help="The message of the revision.",
                 show_default="a summary of the changes"),
]  # fmt: skip
AllowOption = Annotated[
    Optional[list[str]],  # noqa: UP045 - as above
    typer.Option(
        "--allow", metavar="WHAT", show_default=False,
        help="Run a step that the guard stopped. Pass the name it printed, such as "
             "loses-data:task.title.",
    ),
]  # fmt: skip
SQLOption = Annotated[bool, typer.Option("--sql", help="Print the SQL without running it.")]
PlanOption = Annotated[
    bool,
    typer.Option("--plan", help="Print what would run, and its code, and run nothing."),
]
ConfirmOption = Annotated[
    Optional[str],  # noqa: UP045 - as above
    typer.Option(
        "--confirm", metavar="CODE", show_default=False,
        help="Run the plan with this code, and no other. See --plan.",
    ),
]  # fmt: skip
LockTimeoutOption = Annotated[
    float,
    typer.Option(help="Seconds that a statement waits for a lock on PostgreSQL before it is "
                      "retried.",
                 min=0.001),
]  # fmt: skip
AttemptsOption = Annotated[
    int, typer.Option(help="Maximum attempts when a lock is not available.", min=1)
]
WaitOption = Annotated[
    float, typer.Option(help="Seconds to wait for another migration run to finish.", min=0)
]
_RepeatableOption = Optional[list[str]]  # noqa: UP045 - as above


@app.command(rich_help_panel="Migrations")
def migrate(
    message: MessageOption = None,
    rename: Annotated[
        _RepeatableOption,
        typer.Option(
            metavar="OLD:NEW",
            show_default=False,
            help="Rename a column (task.title:name) or a table (tasks:task).",
        ),
    ] = None,
    aside: Annotated[
        _RepeatableOption,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Keep a removed column or table as NAME__dropped.",
        ),
    ] = None,
    drop: Annotated[
        _RepeatableOption,
        typer.Option(
            metavar="NAME", show_default=False, help="Drop a removed column or table with its data."
        ),
    ] = None,
    fill: Annotated[
        _RepeatableOption,
        typer.Option(
            metavar="COLUMN=VALUE",
            show_default=False,
            help="Give existing rows a value: task.owner=nobody.",
        ),
    ] = None,
    map_: Annotated[
        _RepeatableOption,
        typer.Option(
            "--map",
            metavar="COLUMN:OLD=NEW",
            show_default=False,
            help="Replace a value: task.status:canceled=cancelled.",
        ),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(
            show_default=False,
            help="The time zone of stored naive times, such as UTC.",
        ),
    ] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Write an empty revision.")] = False,
    merge: Annotated[bool, typer.Option("--merge", help="Merge the heads of the history.")] = False,
    eject: Annotated[
        bool,
        typer.Option(
            "--eject", help="Write Alembic's files into the project, so you can edit them."
        ),
    ] = False,
    database_url: DatabaseURLOption = None,
    shadow_url: ShadowOption = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    r"""Write a revision for the changes of the models since the last one.

    \[tool.colonnade] in pyproject.toml names the app or the models; revisions are in
    migrations/versions. The command replays them in a throwaway database and compares it with the
    models, so the result does not depend on the contents of your database. On a terminal, it asks
    which columns were renamed and which values existing rows get; elsewhere, pass these as options.

    Examples:
      colonnade migrate -m "tasks have an owner" --fill task.owner=nobody

      colonnade migrate --rename task.title:name
    """  # fmt: skip
    from colonnade.cli import _migrations as commands

    if eject:
        commands.run_eject(output_format)
    elif merge:
        commands.run_merge(message, output_format)
    else:
        commands.run_migrate(
            message, output_format, url=database_url, shadow_url=shadow_url, rename=rename or [],
            aside=aside or [], drop=drop or [], fill=fill or [], mapped=map_ or [], zone=zone,
            empty=empty,
        )  # fmt: skip


@app.command(rich_help_panel="Migrations")
def upgrade(
    target: Annotated[str, typer.Argument(help="A revision, +1, or head.")] = "head",
    allow: AllowOption = None,
    sql: SQLOption = False,
    plan: PlanOption = False,
    confirm: ConfirmOption = None,
    lock_timeout: LockTimeoutOption = 1.0,
    attempts: AttemptsOption = 30,
    wait: WaitOption = 60.0,
    database_url: DatabaseURLOption = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Run the revisions that a database does not have.

    Before anything runs, the guard assesses each step. Unless you allow it, the guard refuses a
    step that would block other sessions for longer than the lock timeout, that would lose data, or
    that could not be undone, and suggests a safe alternative. Only one process runs migrations at a
    time. An interrupted upgrade can be run again.

    Examples:
      colonnade upgrade

      colonnade upgrade --sql > review.sql
    """
    patience = (lock_timeout, attempts, wait)
    if plan:
        _show_plan("upgrade", target, patience, database_url, output_format)
    else:
        _run_revisions(
            "upgrade", target, allow, sql, confirm, patience, database_url, output_format
        )


@app.command(rich_help_panel="Migrations", context_settings={"ignore_unknown_options": True})
def downgrade(
    target: Annotated[str, typer.Argument(help="A revision, -1, or base.")] = "-1",
    allow: AllowOption = None,
    sql: SQLOption = False,
    plan: PlanOption = False,
    confirm: ConfirmOption = None,
    lock_timeout: LockTimeoutOption = 1.0,
    attempts: AttemptsOption = 30,
    wait: WaitOption = 60.0,
    database_url: DatabaseURLOption = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Revert the last revision, or all revisions after TARGET.

    Example:
      colonnade downgrade -1
    """
    if target.startswith("-") and not target[1:].isdecimal():
        raise typer.BadParameter(f"No such option: {target}", param_hint="TARGET")
    patience = (lock_timeout, attempts, wait)
    if plan:
        _show_plan("downgrade", target, patience, database_url, output_format)
    else:
        _run_revisions(
            "downgrade", target, allow, sql, confirm, patience, database_url, output_format
        )


def _show_plan(
    direction: str,
    target: str,
    patience: tuple[float, int, float],
    database_url: str | None,
    output_format: OutputFormat,
) -> None:
    from colonnade.cli._migrations import run_plan
    from colonnade.migrations import Patience

    run_plan(
        "upgrade" if direction == "upgrade" else "downgrade",
        target,
        output_format,
        url=database_url,
        patience=Patience(*patience),
    )


def _run_revisions(
    direction: str,
    target: str,
    allow: list[str] | None,
    sql: bool,
    confirm: str | None,
    patience: tuple[float, int, float],
    database_url: str | None,
    output_format: OutputFormat,
) -> None:
    from colonnade.cli._migrations import run_revisions
    from colonnade.migrations import Patience

    run_revisions(
        "upgrade" if direction == "upgrade" else "downgrade",
        target,
        output_format,
        url=database_url,
        allow=allow or [],
        sql=sql,
        confirm=confirm,
        patience=Patience(*patience),
    )


@app.command(rich_help_panel="Migrations")
def current(
    database_url: DatabaseURLOption = None, output_format: FormatOption = OutputFormat.TEXT
) -> None:
    """Show the current revision of a database.

    Example:
      colonnade current
    """
    from colonnade.cli._migrations import run_current

    run_current(database_url, output_format)


@app.command(rich_help_panel="Migrations")
def history(
    database_url: DatabaseURLOption = None, output_format: FormatOption = OutputFormat.TEXT
) -> None:
    """List the revisions, the oldest first, and mark those that are applied to the database.

    Example:
      colonnade history
    """
    from colonnade.cli._migrations import run_history

    run_history(database_url, output_format)


@app.command(rich_help_panel="Migrations")
def drift(
    offline: Annotated[
        bool, typer.Option("--offline", help="Compare only the models and the history, as in CI.")
    ] = False,
    database_url: DatabaseURLOption = None,
    shadow_url: ShadowOption = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Report differences between models, history and database; exit code 1 if there are any.

    The command replays the history in a throwaway database, and compares the resulting tables with
    the models and with the database.

    Example:
      colonnade drift
    """
    from colonnade.cli._migrations import run_drift

    if not run_drift(database_url, shadow_url, output_format, offline=offline):
        raise typer.Exit(1)


@app.command(rich_help_panel="Migrations")
def stamp(
    revision: Annotated[str, typer.Argument(help="A revision, head, or base.")],
    database_url: DatabaseURLOption = None,
) -> None:
    """Record that a database is at a revision, without running anything.

    Use it for tables that were created by create_all() or by hand.

    Example:
      colonnade stamp head
    """
    from colonnade.cli._migrations import run_stamp

    run_stamp(revision, database_url)


@app.command(rich_help_panel="Migrations")
def baseline(database_url: DatabaseURLOption = None) -> None:
    """Write a snapshot of the tables, for a history that cannot run in an empty database.

    The database must be at a revision of the history: the baseline. Replays of the history
    (migrate, drift, tests) start with the snapshot instead of the revisions up to the baseline.
    On PostgreSQL, pg_dump must be installed.

    Example:
      colonnade baseline --database-url postgresql://me@localhost/shop
    """
    from colonnade.cli._migrations import run_baseline

    run_baseline(database_url)


@app.command(rich_help_panel="Migrations")
def squash(
    message: MessageOption = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Squash even if custom SQL or Python code is lost."),
    ] = False,
    database_url: DatabaseURLOption = None,
    shadow_url: ShadowOption = None,
) -> None:
    """Replace all revisions by a single one.

    The new revision keeps the id of the newest one, so databases at that revision stay there.
    Upgrade databases that are behind first.

    Example:
      colonnade squash -m "the tables as of version 2"
    """
    from colonnade.cli._migrations import run_squash

    run_squash(message, database_url, shadow_url, force=force)


@app.command(rich_help_panel="Migrations")
def adopt(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The module to write.", dir_okay=False)
    ] = Path("models.py"),
    database_url: DatabaseURLOption = None,
    shadow_url: ShadowOption = None,
    schema: Annotated[
        Optional[list[str]],  # noqa: UP045 - as above
        typer.Option(
            help="Adopt the tables of this schema instead of the default one. Repeatable."
        ),
    ] = None,
    output_format: FormatOption = OutputFormat.TEXT,
) -> None:
    """Write models and a first revision for an existing database.

    Relationships follow the foreign keys. The command overwrites no files, and changes the database
    only to record its revision. It lists what it cannot keep. --database-url defaults to the
    environment variable DATABASE_URL.

    Example:
      colonnade adopt --database-url postgresql://me@localhost/shop -o app/models.py
    """
    from colonnade.cli._migrations import run_adopt

    run_adopt(output, database_url, shadow_url, output_format, schema or ())
