"""The results of migration commands as text, for people."""

from collections.abc import Iterable, Sequence

from colonnade.cli import _console
from colonnade.cli._reports import (
    AdoptReport,
    CurrentReport,
    Difference,
    DriftReport,
    HistoryReport,
    MigrateReport,
    PlanReport,
    RevisionName,
    RunReport,
)


def print_revision(report: MigrateReport) -> None:
    """Print a revision that was written."""
    if not report.files:
        _console.out.print("No changes: the models match the history.")
    else:
        print_files(report)
        for step in report.steps:
            _console.out.print(f"  {_console.escaped(step)}")
        _console.out.print("Review it, then run: colonnade upgrade")
    for label, count in report.not_migrated.items():
        tables = "table" if count == 1 else "tables"
        _console.err.print(
            _console.escaped(
                f"Not migrated: {count} {tables} of {label}, a separate MetaData. To migrate "
                f'them too: [tool.colonnade] metadata = ["colonnade:SQLModel", "{label}"]'
            )
        )
    if report.put_aside:
        _console.err.print(
            f"Still put aside: {', '.join(report.put_aside)}. To drop them: "
            f"colonnade migrate {' '.join(f'--drop {name}' for name in report.put_aside)}"
        )


def print_files(report: MigrateReport) -> None:
    """Print the files that were written."""
    for file in report.files:
        _console.out.print(_console.escaped(file))


def print_plan(report: PlanReport) -> None:
    """Print what would run."""
    _console.out.print(_console.escaped(f"{report.database}: {_count(report.revisions)}"))
    for revision in report.revisions:
        _console.out.print(_console.escaped(f"  {revision.revision}  {revision.message}"))
    for finding in report.findings:
        _console.out.print(
            f"[yellow]![/yellow] {_console.escaped(f'{finding.name}: {finding.why}')}"
        )
    if report.needs_confirmation:
        _console.out.print(
            f"To confirm it, if confirm = true: --confirm [bold]{report.code}[/bold]"
        )


def _count(revisions: Sequence[RevisionName]) -> str:
    return "1 revision" if len(revisions) == 1 else f"{len(revisions)} revisions"


def _names(heads: Sequence[RevisionName]) -> list[str]:
    return [f"{head.revision} ({head.message})" for head in heads] or ["no revision"]


def print_run(report: RunReport) -> None:
    """Print where a database is after a run."""
    nothing = "" if report.ran else "Nothing to do: "
    revision = ", ".join(_names(report.heads))
    _console.out.print(_console.escaped(f"{nothing}{report.database} is at {revision}."))


def print_current(report: CurrentReport) -> None:
    """Print where a database is."""
    position = f", {report.behind} behind" if report.behind else ", the newest"
    if not (report.behind or report.heads):
        position = ""
    for name in _names(report.heads):
        _console.out.print(_console.escaped(f"{report.database}: {name}{position}"))
    for interrupted in report.unfinished:
        _console.out.print(f"[yellow]![/yellow] {_console.escaped(interrupted.what)}")


def print_history(report: HistoryReport) -> None:
    """Print the revisions, with marks of those that the database has."""
    if not report.revisions:
        _console.out.print("No revisions yet. Run `colonnade migrate` to write the first.")
    for revision in report.revisions:
        mark = "[green]✓[/green]" if revision.is_applied else "·"
        if revision.is_unfinished:
            mark = "[yellow]![/yellow]"
        marker = "  [bold]<- here[/bold]" if revision.is_current else ""
        line = _console.escaped(f"{revision.revision}  {revision.message}")
        _console.out.print(f"{mark} {line}{marker}")
    for interrupted in report.unfinished:
        _console.out.print(_console.escaped(interrupted.what))


def _print_differences(differences: Iterable[Difference]) -> None:
    for difference in differences:
        _console.out.print(f"[red]✗[/red] {_console.escaped(difference.what)}")


def print_drift(report: DriftReport) -> None:
    """Print the differences, or that all sides agree."""
    _print_differences(report.differences)
    if not report.differences:
        offline = report.database is None
        sides = "Models and history" if offline else "Models, history and database"
        _console.out.print(f"[green]✓[/green] {sides} agree.")


def print_ejected(report: MigrateReport) -> None:
    """Print the files of Alembic."""
    print_files(report)
    _console.out.print(
        "These files are part of your project now. The commands of Alembic and Colonnade use them."
    )


def print_adoption(report: AdoptReport) -> None:
    """Print the models and revisions of a database."""
    _console.out.print(f"{_console.escaped(report.module)}: {', '.join(report.models)}")
    for path in report.revisions:
        _console.out.print(_console.escaped(path))
    for note in report.notes:
        _console.out.print(f"[yellow]note:[/yellow] {_console.escaped(note)}")
    _print_differences(report.differences)
