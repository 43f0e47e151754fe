"""Findings as JSON."""

import json
from collections.abc import Iterable
from typing import Any

from colonnade.lint._findings import Finding, Fix
from colonnade.lint.reports._text import Texts


def as_json(findings: Iterable[Finding], texts: Texts) -> str:
    """A JSON array with the code, location, message, advice and fix of each finding."""
    return json.dumps([_finding(finding, texts) for finding in findings], indent=2)


def _finding(finding: Finding, texts: Texts) -> dict[str, Any]:
    return {
        "code": finding.code,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line or finding.line,
        "end_column": finding.end_column or finding.column,
        "cell": finding.cell,
        "message": finding.message,
        "advice": finding.advice,
        "fix": _fix(finding, finding.fix, texts) if finding.fix is not None else None,
    }


def _fix(finding: Finding, fix: Fix, texts: Texts) -> dict[str, Any]:
    return {
        "message": fix.message,
        "safe": fix.safe,
        "edits": edits(finding, fix, texts),
    }


def edits(finding: Finding, fix: Fix, texts: Texts) -> list[dict[str, Any]]:
    """The edits of a fix, with lines and columns counted from 1."""
    source = texts.source(finding.path)
    if source is None:
        return []
    edits_json = []
    for edit in sorted(fix.edits):
        line, column = source.position(edit.start)
        end_line, end_column = source.position(edit.end)
        edits_json.append({
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
            "content": edit.text,
        })  # fmt: skip
    return edits_json
