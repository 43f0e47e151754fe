"""Findings as text: location, message, source code and advice."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from rich.markup import escape

from colonnade.lint._findings import Finding
from colonnade.lint.project._sources import Source, UnreadableError, read

CONTEXT_LINES = 2  # shown before and after a finding
PASSWORD = re.compile(r"(://[^:/@\s\"']*:)([^@\s\"']+)(?=@)")


class Texts:
    """The texts of files, each read once.

    Args:
        contents: The content of files that differs from the disk.
    """

    def __init__(self, contents: dict[Path, bytes] | None = None) -> None:
        self._contents = contents or {}
        self.source = cache(self._source)

    def _source(self, path: str) -> Source | None:
        file = Path(path)
        try:
            data = self._contents.get(file.absolute())
            return read(file.read_bytes() if data is None else data, file.suffix)
        except (OSError, UnreadableError):
            return None

    def lines(self, path: str, cell: int | None) -> list[str]:
        """The lines of a file, or of a notebook cell."""
        source = self.source(path)
        if source is None:
            return []
        if cell is not None:
            return next((block.text_lines for block in source.blocks if block.cell == cell), [])
        return re.split(r"\r\n|\r|\n", source.text)


def masked(line: str) -> str:
    """Replace the passwords of URLs with asterisks, keeping the length of the line."""
    return PASSWORD.sub(lambda match: match[1] + "*" * len(match[2]), line)


def as_text(findings: Iterable[Finding], texts: Texts, *, frames: bool = True) -> Iterator[str]:
    """Yield each finding as lines of rich markup.

    Args:
        findings: The findings.
        texts: The source texts.
        frames: Whether to show the source code.
    """
    for finding in findings:
        marker = ""
        if finding.fix is not None:
            marker = f"[cyan]\\[{'*' if finding.fix.safe else '?'}][/cyan] "
        cell = f"cell {finding.cell}:" if finding.cell else ""
        yield (
            f"[bold]{escape(finding.path)}[/bold]:{cell}{finding.line}:{finding.column}: "
            f"[bold red]{finding.code}[/bold red] {marker}{escape(finding.message)}"
        )
        if frames:
            yield from _frame(finding, texts.lines(finding.path, finding.cell))
            help_ = finding.fix.message if finding.fix is not None else finding.advice
            if help_:
                yield f"   [cyan]= help:[/cyan] {escape(help_)}"
            yield ""


def _frame(finding: Finding, lines: list[str]) -> Iterator[str]:
    """Yield the lines around a finding, with the finding underlined."""
    if not lines or finding.line > len(lines):
        return
    first = max(1, finding.line - CONTEXT_LINES)
    last = min(len(lines), finding.line + CONTEXT_LINES)
    wide = len(str(last))
    yield f"[cyan]{' ' * wide} |[/cyan]"
    for number in range(first, last + 1):
        line = masked(lines[number - 1]).replace("\t", "    ")
        yield f"[cyan]{number:>{wide}} |[/cyan] {escape(line)}".rstrip()
        if number == finding.line:
            yield f"[cyan]{' ' * wide} |[/cyan] {_underline(finding, lines[number - 1])}"
    yield f"[cyan]{' ' * wide} |[/cyan]"


def _underline(finding: Finding, line: str) -> str:
    start = len(line[: finding.column - 1].replace("\t", "    "))
    end = finding.end_column - 1 if finding.end_line == finding.line else len(line.rstrip())
    width = max(1, len(line[finding.column - 1 : end].replace("\t", "    ")))
    return f"{' ' * start}[bold red]{'^' * width} {finding.code}[/bold red]"
