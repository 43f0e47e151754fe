"""Run the migration commands: prompt for answers, show progress, print results."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.prompt import IntPrompt, Prompt
from sqlalchemy import MetaData
from sqlalchemy.exc import SAWarning

from colonnade.cli import _console
from colonnade.cli._json_output import OutputFormat, findings_of, present
from colonnade.cli._migration_texts import (
    print_adoption,
    print_current,
    print_drift,
    print_ejected,
    print_files,
    print_history,
    print_plan,
    print_revision,
    print_run,
)
from colonnade.cli._reports import (
    AdoptReport,
    CurrentReport,
    Difference,
    DriftReport,
    HistoryReport,
    MigrateReport,
    PlanReport,
    RevisionName,
    RevisionRun,
    RevisionState,
    RunReport,
    UnfinishedRun,
)
from colonnade.database import Database, DatabaseURL
from colonnade.errors import CommandError
from colonnade.migrations import (
    Choices,
    Direction,
    Drift,
    History,
    Patience,
    Plan,
    Watcher,
    adopt_database,
    current_revision,
    eject,
    find_drift,
    load_models,
    merge,
    migrate_to,
    models_of,
    plan_migration,
    preview_sql,
    squash,
    stamp,
    unfinished_revisions,
    unmanaged_table_counts,
    write_adopted_history,
    write_baseline,
    write_revision,
)
from colonnade.project import Project


class TerminalAsker:
    """Prompts for missing answers on the terminal."""

    def choose(self, question: str, answers: Sequence[str]) -> int:
        """Return the index of the chosen answer."""
        _console.err.print(_console.escaped(f"{question}:"))
        for number, answer in enumerate(answers, 1):
            _console.err.print(f"  {number}. {_console.escaped(answer)}")
        numbers = [str(number) for number in range(1, len(answers) + 1)]
        return IntPrompt.ask("Which", choices=numbers, console=_console.err) - 1

    def ask(self, question: str, default: str | None = None) -> str:
        """Return a free-text answer."""
        prompt = _console.escaped(question)
        if default is None:
            return Prompt.ask(prompt, console=_console.err)
        return Prompt.ask(prompt, default=default, console=_console.err)


class MigrationProgress(Watcher):
    """Shows the progress of a run."""

    def __init__(self, progress: Progress, history: History, verb: str) -> None:
        self._progress = progress
        self._history = history
        self._verb = verb
        self.seconds: dict[str, float] = {}
        self._revisions: TaskID | None = None
        self._step: TaskID | None = None

    def began(self, revision: str, number: int, total: int) -> None:
        if self._revisions is None:
            self._revisions = self._progress.add_task(self._verb, total=total)
        self._progress.update(
            self._revisions, completed=number - 1, description=f"{self._verb} {revision}"
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Show nothing in a block, such as a question."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def progressed(self, what: str, done: int, total: int) -> None:
        if self._step is None:
            self._step = self._progress.add_task(f"  {what}", total=total)
        self._progress.update(self._step, completed=done, total=total, description=f"  {what}")

    def ended(self, revision: str, seconds: float) -> None:
        if self._step is not None:
            self._progress.remove_task(self._step)
            self._step = None
        if self._revisions is not None:
            self._progress.advance(self._revisions)
        self.seconds[revision] = seconds
        if self._verb != "replaying":
            name = _console.escaped(self._history.name(revision))
            self._progress.console.print(f"[green]✓[/green] {name}  {seconds:.1f} s")

    def waits(self, why: str) -> None:
        self._progress.console.print(f"[yellow]waiting:[/yellow] {_console.escaped(why)}")


@contextmanager
def _show_progress(history: History, verb: str) -> Iterator[MigrationProgress]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(
        *columns, console=_console.err, transient=True, disable=not _console.err.is_terminal
    ) as progress:
        yield MigrationProgress(progress, history, verb)


def _project() -> tuple[History, MetaData]:
    project = Project.find(Path.cwd())
    if not project.packages:
        raise CommandError(
            "The project does not configure its models. Name the app or the models in "
            f"{project.root / 'pyproject.toml'}:\n\n"
            '[tool.colonnade]\napp = "app.main:app"  # or: models = "app.models"'
        )
    metadata = models_of(project)
    history = History(project)
    if history.has_alembic_env:
        raise CommandError(
            f"{project.alembic_ini} has a custom env.py, which Colonnade's commands cannot run. "
            "Use Alembic's commands, or change env.py to connect as Colonnade's does: `colonnade "
            "migrate --eject` in an empty project writes an example."
        )
    return history, metadata


def _database(history: History, url: str | None) -> Database:
    return Database(url) if url else history.project.choose_database()


def _pairs(
    arguments: Sequence[str], option: str, form: str, *, may_be_empty: bool = False
) -> dict[str, str]:
    """Split the arguments of an option.

    Args:
        arguments: The arguments.
        option: The option, for the error message.
        form: The form of each argument, with its separator: ``OLD:NEW`` or ``COLUMN=VALUE``.
        may_be_empty: Whether the second part may be empty.

    Raises:
        BadParameter: An argument does not have this form.
    """
    separator = ":" if ":" in form else "="
    pairs = {}
    for argument in arguments:
        left, delimiter, right = argument.partition(separator)
        if not delimiter or not left or not (right or may_be_empty):
            raise typer.BadParameter(
                f"{argument!r} does not have the form {form}.", param_hint=option
            )
        pairs[left] = right
    return pairs


def run_migrate(
    message: str | None,
    output_format: OutputFormat,
    *,
    url: str | None,
    shadow_url: str | None,
    rename: Sequence[str],
    aside: Sequence[str],
    drop: Sequence[str],
    fill: Sequence[str],
    mapped: Sequence[str],
    zone: str | None,
    empty: bool,
) -> None:
    """Write a revision."""
    maps: dict[str, dict[str, str]] = {}
    for column, values in (
        (mapping.partition(":")[0], mapping.partition(":")[2]) for mapping in mapped
    ):
        maps.setdefault(column, {}).update(_pairs([values], "--map", "OLD=NEW", may_be_empty=True))
    history, metadata = _project()
    choices = Choices(
        renames=_pairs(rename, "--rename", "OLD:NEW"),
        aside=frozenset(aside),
        drops=frozenset(drop),
        fills=_pairs(fill, "--fill", "COLUMN=VALUE", may_be_empty=True),
        maps=maps,
        zone=zone,
        asker=TerminalAsker() if sys.stdin.isatty() else None,
    )
    replay_url = DatabaseURL.parse(shadow_url) if shadow_url else _database(history, url).direct
    written, put_aside = write_revision(
        history, replay_url, metadata, message, choices, empty=empty
    )
    report = MigrateReport(
        files=() if written is None else (str(_relative(written.path)),),
        revision=None if written is None else written.revision,
        message=None if written is None else written.message,
        steps=() if written is None else written.steps,
        put_aside=tuple(put_aside),
        not_migrated=unmanaged_table_counts(metadata),
    )
    present(report, output_format, print_revision)


def _relative(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def run_revisions(
    direction: Direction,
    target: str,
    output_format: OutputFormat,
    *,
    url: str | None,
    allow: Sequence[str],
    sql: bool,
    confirm: str | None,
    patience: Patience,
) -> None:
    """Upgrade or downgrade a database."""
    history, _ = _project()
    database = _database(history, url)
    if sql:
        script = preview_sql(history, database, direction, target)
        report = RunReport(str(database.url), (), _heads(history, database), script)
        present(report, output_format, lambda _: print(script, end=""))  # noqa: T201 - to be piped
        return
    with _show_progress(history, "upgrading" if direction == "upgrade" else "reverting") as watcher:
        done = migrate_to(
            history, database, direction, target,
            allow=frozenset(allow), confirm=confirm, patience=patience, watcher=watcher,
            ask=partial(_ask_for_code, history, watcher) if sys.stdin.isatty() else None,
        )  # fmt: skip
    ran = tuple(
        RevisionRun(each.revision, each.message, round(watcher.seconds.get(each.revision, 0.0), 3))
        for each in _named(history, done)
    )
    report = RunReport(str(database.url), ran, _heads(history, database))
    present(report, output_format, print_run)


def run_plan(
    direction: Direction,
    target: str,
    output_format: OutputFormat,
    *,
    url: str | None,
    patience: Patience,
) -> None:
    """Print what an upgrade or a downgrade would do."""
    history, _ = _project()
    plan = plan_migration(history, _database(history, url), direction, target, patience=patience)
    report = PlanReport(
        database=plan.database,
        revisions=_named(history, plan.revisions),
        findings=findings_of(plan.findings),
        needs_confirmation=plan.needs_confirmation,
        code=plan.code,
    )
    present(report, output_format, print_plan)


def _ask_for_code(history: History, progress: MigrationProgress, plan: Plan) -> str:
    """Show a plan to a person, and return what they type."""
    revisions = [f"  {each.revision}  {each.message}" for each in _named(history, plan.revisions)]
    findings = [f"  {finding.name}: {finding.why}" for finding in plan.findings]
    lines = [f"{plan.reason}.", *revisions, *findings]
    prompt = f"Type {plan.code} to run it"
    with progress.paused():  # it would erase the question
        _console.err.print(_console.escaped("\n".join(lines)))
        return Prompt.ask(_console.escaped(prompt), console=_console.err)


def _heads(history: History, database: Database) -> tuple[RevisionName, ...]:
    """The revisions that a database is at."""
    return _named(history, current_revision(history, database)[0])


def _named(history: History, revisions: Iterable[str]) -> tuple[RevisionName, ...]:
    """Revisions with their messages."""
    messages = {script.revision: script.doc for script in history.revisions}
    return tuple(RevisionName(each, messages.get(each, "")) for each in revisions)


def run_current(url: str | None, output_format: OutputFormat = OutputFormat.TEXT) -> None:
    """Show the current revision of a database."""
    history, _ = _project()
    present(report_current(history, _database(history, url)), output_format, print_current)


def report_current(history: History, database: Database) -> CurrentReport:
    """Return the current revision of a database.

    Raises:
        MigrationError: The history does not have the database's revision.
        DatabaseError: The database cannot be used.
    """
    return CurrentReport(
        str(database.url),
        _heads(history, database),
        current_revision(history, database)[1],
        _unfinished(history, database),
    )


def _unfinished(history: History, database: Database) -> tuple[UnfinishedRun, ...]:
    revisions = unfinished_revisions(history, database)
    return tuple(UnfinishedRun(**asdict(each), what=str(each)) for each in revisions)


def run_history(url: str | None, output_format: OutputFormat) -> None:
    """List the revisions, and mark those that are applied to a database."""
    history, _ = _project()
    database = _database(history, url)
    heads, _ = current_revision(history, database)
    applied = {
        script.revision
        for head in heads
        for script in history.script.iterate_revisions(head, "base")
    }
    unfinished = _unfinished(history, database)
    interrupted = {each.revision for each in unfinished}
    revisions = tuple(
        RevisionState(
            revision=script.revision,
            message=script.doc,
            after=_before(script.down_revision),
            is_applied=script.revision in applied,
            is_current=script.revision in heads,
            is_unfinished=script.revision in interrupted,
        )
        for script in history.revisions
    )
    report = HistoryReport(str(database.url), revisions, unfinished)
    present(report, output_format, print_history)


def _before(down_revision: str | Sequence[str] | None) -> tuple[str, ...]:
    """The revisions before one: several where branches are merged."""
    if isinstance(down_revision, str):
        return (down_revision,)
    return tuple(down_revision or ())


def run_drift(
    url: str | None, shadow_url: str | None, output_format: OutputFormat, *, offline: bool
) -> bool:
    """Compare models, history and database; return whether they agree."""
    history, metadata = _project()
    database = _database(history, url)
    replay_url = DatabaseURL.parse(shadow_url) if shadow_url else database.direct
    with _show_progress(history, "replaying") as watcher:
        drift = find_drift(
            history, None if offline else database, metadata, url=replay_url, watcher=watcher
        )
    report = DriftReport(None if offline else str(database.url), _differences(drift))
    present(report, output_format, print_drift)
    return not drift


def _differences(drift: Iterable[Drift]) -> tuple[Difference, ...]:
    return tuple(Difference(each.between, each.what) for each in drift)


def run_squash(
    message: str | None, url: str | None, shadow_url: str | None, *, force: bool
) -> None:
    """Replace all revisions by a single one."""
    history, metadata = _project()
    replay_url = DatabaseURL.parse(shadow_url) if shadow_url else _database(history, url).direct
    with _show_progress(history, "replaying") as watcher:
        written = squash(history, replay_url, metadata, message, force=force, watcher=watcher)
    _console.out.print(_console.escaped(str(_relative(written.path))))


def run_baseline(url: str | None) -> None:
    """Write a snapshot of a database's tables."""
    history, _ = _project()
    revision, path = write_baseline(history, _database(history, url))
    _console.out.print(_console.escaped(str(_relative(path))))
    if history.project.baseline != revision:
        _console.panel("In pyproject.toml", ["\\[tool.colonnade]", f'baseline = "{revision}"'])


def run_stamp(revision: str, url: str | None) -> None:
    """Record that a database is at a revision."""
    history, _ = _project()
    database = _database(history, url)
    stamp(history, database, revision)
    run_current(url)


def run_merge(message: str | None, output_format: OutputFormat) -> None:
    """Write a revision that merges the heads of the history."""
    history, _ = _project()
    path = merge(history, message)
    script = next(each for each in History(history.project).revisions if Path(each.path) == path)
    report = MigrateReport((str(_relative(path)),), script.revision, script.doc)
    present(report, output_format, print_files)


def run_eject(output_format: OutputFormat) -> None:
    """Write Alembic's files into the project."""
    project = Project.find(Path.cwd())
    report = MigrateReport(tuple(str(_relative(path)) for path in eject(project)))
    present(report, output_format, print_ejected)


def run_adopt(
    output: Path,
    url: str | None,
    shadow_url: str | None,
    output_format: OutputFormat,
    schemas: Sequence[str] = (),
) -> None:
    """Write models and a first revision for an existing database."""
    project = Project.find(Path.cwd())
    history = History(project)
    if output.exists():
        raise CommandError(
            f"{output} already exists, and adopt does not overwrite files. Choose another file "
            "with --output."
        )
    if not history.is_empty:
        raise CommandError(
            f"{history.folder} already contains revisions, and adopt writes the first one. Run "
            "adopt in a project without revisions."
        )
    database = Database(url)
    adoption = adopt_database(database, schemas)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(adoption.source, encoding="utf-8")
    history.config.attributes["metadata"] = metadata = load_models(output)
    replay_url = DatabaseURL.parse(shadow_url) if shadow_url else database.direct
    with _show_progress(history, "replaying") as watcher, warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # about types that the notes mention
        paths = write_adopted_history(history, replay_url, metadata, adoption)
        stamp(history, database, "head")
        differences = find_drift(history, database, metadata, url=replay_url, watcher=watcher)
    report = AdoptReport(
        module=str(output),
        models=tuple(adoption.models),
        revisions=tuple(str(_relative(path)) for path in paths),
        notes=tuple(adoption.notes),
        differences=_differences(differences),
    )
    present(report, output_format, print_adoption)
    if output_format is OutputFormat.TEXT and project.models is None and project.app is None:
        module = ".".join(output.with_suffix("").parts)
        _console.panel("In pyproject.toml", ["\\[tool.colonnade]", f'models = "{module}"'])
