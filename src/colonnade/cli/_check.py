"""``colonnade check``: runs the linter and prints its findings."""

import difflib
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from colonnade import __version__, lint
from colonnade.cli import _console
from colonnade.cli._check_schema import review_schema
from colonnade.cli._json_output import write_document
from colonnade.errors import CheckError
from colonnade.lint import reports
from colonnade.lint.schema import schema_rules

STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The options of the command line."""

    paths: tuple[Path, ...] = ()
    fix: bool = False
    unsafe: bool = False
    diff: bool = False
    select: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    format: str = "text"
    baseline: Path | None = None
    write_baseline: Path | None = None
    models: str | None = None
    database_url: str | None = None
    statistics: bool = False
    jobs: int | None = None
    cached: bool = True
    stdin_filename: Path | None = None


def run(options: CheckOptions) -> int:
    """Run the linter and print the findings; how many there are.

    Raises:
        CheckError: The models cannot be checked.
        typer.BadParameter: An option or a setting is invalid.
    """
    contents, paths = _read_stdin(options)
    settings = _settings(options, paths)
    if options.models is not None:
        schema_findings = review_schema(options.models, options.database_url)
        chosen = [
            finding for finding in schema_findings if lint.selected(settings, finding, finding.path)
        ]
        return _report(options, settings, lint.Report(chosen), {})
    if options.database_url is not None:
        raise typer.BadParameter("it requires --models", param_hint="--database-url")
    jobs = options.jobs or lint.default_jobs()
    with _progress() as progress:
        try:
            if options.fix or options.diff:
                fixed = lint.fix(
                    settings, paths, unsafe=options.unsafe, jobs=jobs, cached=options.cached,
                    progress=progress, contents=contents,
                )  # fmt: skip
            else:
                report = lint.check(settings, paths, jobs=jobs, cached=options.cached,
                                    progress=progress, contents=contents)  # fmt: skip
        except CheckError as error:
            raise typer.BadParameter(str(error)) from None
    if options.fix or options.diff:
        return _report_fixes(options, settings, fixed, contents)
    return _report(options, settings, report, contents)


def _settings(options: CheckOptions, paths: list[Path]) -> lint.Settings:
    """The settings of the first path's project, overridden by the command line."""
    start = paths[0] if paths else Path.cwd()
    try:
        settings = lint.Settings.find(start if start.is_dir() else start.parent)
    except CheckError as error:
        raise typer.BadParameter(str(error)) from None
    if options.select is not None:
        settings = replace(settings, select=options.select)
    if options.ignore is not None:
        settings = replace(settings, ignore=(*settings.ignore, *options.ignore))
    return settings


def _read_stdin(options: CheckOptions) -> tuple[dict[Path, bytes], list[Path]]:
    """The content of standard input by its file name, if it is checked, and all paths to check."""
    if STDIN not in options.paths:
        return {}, list(options.paths)
    name = options.stdin_filename or Path("stdin.py")
    paths = [name if path == STDIN else path for path in options.paths]
    return {name.absolute(): sys.stdin.buffer.read()}, paths


def _report_fixes(
    options: CheckOptions,
    settings: lint.Settings,
    fixed: lint.FixResult,
    contents: dict[Path, bytes],
) -> int:
    if not (options.diff or contents):
        fixed.write()
    for name, reason in fixed.failed.items():
        _console.err.print(f"[bold red]error:[/bold red] {_console.escaped(f'{name} {reason}')}")
    if options.diff:
        _warn_unchecked(options, settings, fixed.report)
        for path, after in sorted(fixed.after.items()):
            _print_diff(path, fixed.before[path], after)
        _console.err.print(f"{_count(fixed.count, 'fix', 'fixes')} would be applied.")
        return fixed.count
    if contents:  # what came from standard input goes to standard output
        for path, data in contents.items():
            sys.stdout.buffer.write(fixed.after.get(path, data))
        return len(fixed.report.findings)
    count = _report(options, settings, fixed.report, contents)
    if fixed.count and options.format in ("text", "concise"):
        _console.out.print(f"Fixed {fixed.count}.")
    return count + len(fixed.failed)


def _print_diff(path: Path, before: bytes, after: bytes) -> None:
    here = Path.cwd()
    name = str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
    lines = difflib.unified_diff(
        before.decode(errors="replace").splitlines(),
        after.decode(errors="replace").splitlines(),
        name, name, lineterm="",
    )  # fmt: skip
    for line in lines:
        color = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "default")
        _console.out.print(f"[{color}]{_console.escaped(reports.masked(line))}[/{color}]")


def _report(
    options: CheckOptions, settings: lint.Settings, report: lint.Report, contents: dict[Path, bytes]
) -> int:
    """Print the findings that are not in the baseline; how many there are."""
    _warn_unchecked(options, settings, report)
    findings = report.findings
    if options.write_baseline is not None:
        count = lint.write_baseline(options.write_baseline, findings, settings.root)
        _console.out.print(f"Wrote {_count(count, 'finding')} to {options.write_baseline}.")
        return 0
    baseline = options.baseline or (
        settings.root / settings.baseline if settings.baseline else None
    )
    if baseline is not None:
        try:
            known = lint.read_baseline(baseline)
        except CheckError as error:
            raise typer.BadParameter(str(error), param_hint="--baseline") from None
        findings, report.known = lint.exclude_known(findings, known, settings.root)
    if options.statistics:
        _print_statistics(findings)
        return len(findings)
    texts = reports.Texts(contents)
    match options.format:
        case "json":
            write_document(reports.as_json(findings, texts))
        case "sarif":
            write_document(reports.as_sarif(findings, texts, __version__))
        case "github":
            for line in reports.as_github(findings):
                write_document(line)
        case style:
            for line in reports.as_text(findings, texts, frames=style == "text"):
                _console.out.print(line)
            if report.files or options.models is not None:
                _console.out.print(_summary(options, findings, report))
    return len(findings)


def _warn_unchecked(options: CheckOptions, settings: lint.Settings, report: lint.Report) -> None:
    """Print the files that were skipped, and warn if there are no files to check."""
    for name, reason in report.skipped:
        _console.err.print(f"not checked: {_console.escaped(name)} ({reason})")
    if options.models is None and not report.files and not report.skipped:
        paths = ", ".join(str(path) for path in options.paths or [settings.root])
        _console.err.print(
            f"No files to check in {_console.escaped(paths)}: there are no Python files, Markdown"
            " files or notebooks, or all of them are excluded."
        )


def _summary(options: CheckOptions, findings: list[lint.Finding], report: lint.Report) -> str:
    known = f" ({report.known} more in the baseline)" if report.known else ""
    files = _count(report.files, "file")
    checked = f"the tables of {options.models}" if options.models is not None else files
    if not findings:
        return f"Checked {checked}: nothing found{known}."
    safe = sum(finding.fix is not None and finding.fix.safe for finding in findings)
    unsafe = sum(finding.fix is not None and not finding.fix.safe for finding in findings)
    summary = f"Found {_count(len(findings), 'mistake')} in {checked}{known}."
    if safe:
        summary += f" {safe} can be fixed with --fix."
    if unsafe:
        summary += f" {unsafe}{' more' if safe else ''} can be fixed with --fix --unsafe-fixes."
    return summary


def _print_statistics(findings: list[lint.Finding]) -> None:
    names = {rule.code: rule.name for rule in lint.all_rules()}
    for code, count in Counter(finding.code for finding in findings).most_common():
        _console.out.print(f"{count:>6}  {code}  {names.get(code, '')}")


def _count(count: int, name: str, plural: str | None = None) -> str:
    return f"{count:,} {name if count == 1 else plural or f'{name}s'}"


@contextmanager
def _progress() -> Iterator[lint.Progress | None]:
    """A progress bar, on a terminal and for 50 files or more."""
    if not _console.err.is_terminal:
        yield None
        return
    from rich.progress import Progress, TaskID

    with Progress(console=_console.err, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, done: int, total: int) -> None:
            if total < 50:
                return
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total)
            bar.update(tasks[phase], completed=done)

        yield show


def explain(code: str) -> None:
    """Print the documentation of a rule.

    Raises:
        typer.BadParameter: There is no such rule.
    """
    for rule in (*lint.all_rules(), *schema_rules()):
        if rule.code == code.strip().upper():
            _console.out.print(f"[bold]{rule.code}[/bold] {rule.name}")
            _console.out.print(f"\n{_console.escaped(rule.summary())}\n")
            _console.out.print(_console.escaped(rule.reason()))
            for title, example in lint.examples(rule):
                indented = "\n".join(f"    {line}".rstrip() for line in example.splitlines())
                _console.out.print(f"\n[bold]{title}[/bold]\n\n{_console.escaped(indented)}")
            _console.out.print(f"\n{FIX_NOTES[rule.fixes]}")
            if rule.source:
                _console.out.print(f"Source: {rule.source}")
            return
    raise typer.BadParameter(
        f"unknown rule {code}: run `colonnade check --rules` for the list", param_hint="--explain"
    )


FIX_NOTES = {
    "safe": "Fixed by --fix.",
    "unsafe": "Fixed by --fix --unsafe-fixes; review the change.",
    "never": "Fix it by hand.",
}


def list_rules() -> None:
    """Print every rule on a line."""
    for rule in (*lint.all_rules(), *schema_rules()):
        mark = {"safe": "*", "unsafe": "?", "never": " "}[rule.fixes]
        _console.out.print(f"{rule.code} {mark} {rule.name:<30} {_console.escaped(rule.summary())}")
    _console.out.print("\n* fixed by --fix    ? fixed by --fix --unsafe-fixes")


def serve_editor() -> None:
    """Run as a language server for an editor.

    Raises:
        CheckError: pygls is not installed.
    """
    from colonnade.cli._editor import serve

    serve()
