"""Findings as GitHub Actions shows them beside the code."""

from collections.abc import Iterable, Iterator

from colonnade.lint._findings import Finding


def as_github(findings: Iterable[Finding]) -> Iterator[str]:
    """A workflow command for each finding."""
    for one in findings:
        end = one.end_line or one.line
        yield (
            f"::error title=Colonnade ({one.code}),file={_property(one.path)},line={one.line},"
            f"endLine={end},col={one.column}::{_data(f'{one.path}:{one.line}:{one.column}: ')}"
            f"{one.code} {_data(one.message)}"
        )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
