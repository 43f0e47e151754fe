"""Checks code that stands in a test."""

import re
from textwrap import dedent

from colonnade.lint import Finding, all_rules, check_sources, read

MARK = re.compile(r"#(?: noqa: \w+)? .*?((?:CLN\d{3}(?:, )?)+)$")


def check_files(**files: str) -> list[Finding]:
    """What is found in files: `app__models` is `app/models.py`."""
    sources = {
        f"{name.replace('__', '/')}.py": read(dedent(code).lstrip().encode(), ".py")
        for name, code in files.items()
    }
    return check_sources(sources, all_rules())


def check_code(code: str, *codes: str) -> list[tuple[int, str]]:
    """Line and code of what is found in a file, of some rules if they are named."""
    found = check_files(code=code)
    return [(one.line, one.code) for one in found if not codes or one.code in codes]


def marked(code: str, *codes: str) -> list[tuple[int, str]]:
    """The lines that say what is found in them: `# CLN101`, or `# CLN101, CLN102`."""
    found = []
    for number, line in enumerate(dedent(code).lstrip().splitlines(), 1):
        match = re.search(r"# ((?:CLN\d{3}(?:, )?)+)$", line)
        if match is not None:
            found += [(number, one) for one in match[1].split(", ")]
    return sorted(one for one in found if not codes or one[1] in codes)
