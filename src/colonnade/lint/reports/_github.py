"""Workflow commands of GitHub Actions, which show findings as annotations."""

from collections.abc import Iterable, Iterator

from colonnade.lint._findings import Finding


def as_github(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield a workflow command for each finding."""
    for finding in findings:
        end = finding.end_line or finding.line
        location = _data(f"{finding.path}:{finding.line}:{finding.column}: ")
        yield (
            f"::error title=Colonnade ({finding.code}),file={_property(finding.path)},"
            f"line={finding.line},endLine={end},col={finding.column}::{location}"
            f"{finding.code} {_data(finding.message)}"
        )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
