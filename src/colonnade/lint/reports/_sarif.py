"""Findings as SARIF 2.1.0, the format of GitHub code scanning and other tools."""

import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from colonnade.lint._findings import Finding
from colonnade.lint.reports._json import edits
from colonnade.lint.reports._text import Texts
from colonnade.lint.rules import all_rules

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_sarif(findings: Iterable[Finding], texts: Texts, version: str) -> str:
    """A SARIF log with one run."""
    findings = list(findings)
    used = {finding.code for finding in findings}
    rules = [
        {
            "id": rule.code,
            "name": rule.name,
            "shortDescription": {"text": rule.summary()},
            "fullDescription": {"text": rule.reason() or rule.summary()},
            **({"helpUri": rule.source} if rule.source else {}),
        }
        for rule in all_rules()
        if rule.code in used
    ]
    driver = {"name": "colonnade", "version": version, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(finding, texts) for finding in findings]}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(finding: Finding, texts: Texts) -> dict[str, Any]:
    uri = PurePath(finding.path).as_posix()
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "level": "error",
        "message": {"text": finding.message},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri},
                "region": {
                    "startLine": finding.line,
                    "startColumn": finding.column,
                    "endLine": finding.end_line or finding.line,
                    "endColumn": max(finding.end_column, 1),
                },
            }
        }],
    }  # fmt: skip
    if finding.fix is not None:
        replacements = [
            {
                "deletedRegion": {
                    "startLine": edit["line"], "startColumn": edit["column"],
                    "endLine": edit["end_line"], "endColumn": edit["end_column"],
                },
                "insertedContent": {"text": edit["content"]},
            }
            for edit in edits(finding, finding.fix, texts)
        ]  # fmt: skip
        changes = [{"artifactLocation": {"uri": uri}, "replacements": replacements}]
        result["fixes"] = [
            {"description": {"text": finding.fix.message}, "artifactChanges": changes}
        ]
    return result
