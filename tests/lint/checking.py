"""Checks code that is written in a test."""

import re
from textwrap import dedent

from colonnade.lint import Finding, all_rules, check_sources, read

MARK = re.compile(r"#(?: noqa: \w+)? .*?((?:CLN\d{3}(?:, )?)+)$")


def check_files(**files: str) -> list[Finding]:
    """The findings in files: `app__models` is `app/models.py`."""
    sources = {
        f"{name.replace('__', '/')}.py": read(dedent(code).lstrip().encode(), ".py")
        for name, code in files.items()
    }
    return check_sources(sources, all_rules())


def check_code(code: str, *codes: str) -> list[tuple[int, str]]:
    """The line and code of each finding in a file, optionally of certain rules only."""
    findings = check_files(code=code)
    return [
        (finding.line, finding.code) for finding in findings if not codes or finding.code in codes
    ]


def marked(code: str, *codes: str) -> list[tuple[int, str]]:
    """The findings that comments mark: `# CLN101`, or `# CLN101, CLN102`."""
    expected = []
    for number, line in enumerate(dedent(code).lstrip().splitlines(), 1):
        match = re.search(r"# ((?:CLN\d{3}(?:, )?)+)$", line)
        if match is not None:
            expected += [(number, code) for code in match[1].split(", ")]
    return sorted(finding for finding in expected if not codes or finding[1] in codes)
