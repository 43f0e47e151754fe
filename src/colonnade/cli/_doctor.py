"""``colonnade doctor``: prints the diagnosis of a database URL."""

import asyncio
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from colonnade.cli._console import err, escaped, out
from colonnade.cli._json_output import OutputFormat, present
from colonnade.cli._reports import DoctorReport, DriverConnection, URLParameter
from colonnade.database import Database, diagnose
from colonnade.project import Project


def report(url: str | None, output_format: OutputFormat = OutputFormat.TEXT) -> bool:
    """Print the diagnosis; whether the database can be used.

    Args:
        url: The database; None for the project's, or outside of a project the one of DATABASE_URL.
        output_format: The format.

    Raises:
        DatabaseURLError: The URL is invalid.
        ProjectError: The project's Database cannot be found.
    """
    database = url or _project_database()
    with err.status("Connecting"):
        diagnosis = asyncio.run(diagnose(database))
    unfinished = _unfinished(database) if diagnosis.healthy else []
    result = DoctorReport(
        url=diagnosis.url,
        kind=diagnosis.kind,
        healthy=diagnosis.healthy,
        parameters=tuple(URLParameter(**asdict(each)) for each in diagnosis.parameters),
        checks=tuple(DriverConnection(**asdict(each)) for each in diagnosis.checks),
        advice=(*diagnosis.advice, *unfinished),
    )
    present(result, output_format, _print_diagnosis)
    return result.healthy


def _print_diagnosis(result: DoctorReport) -> None:
    out.print(f"[bold]{escaped(result.url)}[/bold]\n{escaped(result.kind)}")
    if result.parameters:
        out.print(_parameters(result.parameters))
    for check in result.checks:
        out.print(_driver_line(check))
    for advice in result.advice:
        out.print(f"[yellow]to change:[/yellow] {escaped(advice)}")


def _unfinished(database: Database | str | None) -> list[str]:
    """Advice for each migration that was interrupted."""
    connected = database if isinstance(database, Database) else Database(database)
    try:
        return [
            f"The migration {revision} is unfinished. Run `colonnade upgrade` to finish it, or "
            "`colonnade downgrade` to undo it."
            for revision in connected.health().unfinished
        ]
    finally:
        if connected is not database:
            connected.dispose()


def _project_database() -> Database | None:
    project = Project.find(Path.cwd())
    if not project.packages:
        return None
    project.load()
    return project.choose_database()


def _parameters(parameters: tuple[URLParameter, ...]) -> Table:
    table = Table("parameter", "value", "sync", "async", "why", box=None, pad_edge=False)
    for parameter in parameters:
        cells = (
            parameter.name,
            parameter.value,
            parameter.sync or "dropped",
            parameter.asynchronous or "dropped",
            parameter.why,
        )
        table.add_row(*map(escaped, cells))
    return table


def _driver_line(check: DriverConnection) -> str:
    name = f"{check.name} ({check.driver})"
    if check.error:
        return f"[red]✗[/red] {name}: {escaped(check.error)}"
    tls = f", TLS {escaped(check.tls)}" if check.tls else ""
    times = f"connected in {check.connect_ms:.1f} ms, round trip {check.round_trip_ms:.2f} ms"
    return f"[green]✓[/green] {name}: {escaped(check.server)}{tls}, {times}"
