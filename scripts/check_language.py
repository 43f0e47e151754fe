"""Check names and sentences against the house style. The exit code is 1 if there are violations.

The script finds phrases that read like a translation, variables whose names say nothing, and
classes whose names need a glossary. It checks the whole project, or the files that are passed:

    python scripts/check_language.py [FILE ...]
"""

import ast
import io
import re
import sys
import tokenize
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYTHON = ("src", "tests", "benchmarks", "scripts")
PROSE = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs/**/*.md")

PHRASES = {
    r"(?<!there )\b(?:is|are|was|were) no (?!longer|more\b|less\b|other\b)[a-z]+": "'is not a'",
    r"\bof (?:its|their|one's|your) own\b": "name the owner, or leave it out",
    r"\bthere (?:is|are) (?:one|none|ones) (?:that|of|for)\b": "use a noun",
    r"\bthat there (?:is|are)\b": "use a noun: 'the configured replicas'",
    r"\b(?:is|are|was|were) (?:told|said)\b": "say who does what",
    r"\bwhat (?:is|was|it) (?:said|told|says)\b": "name the thing",
    r"\bfor want of\b": "'when ... is not available'",
    r"\bwants? a look\b": "'needs a review'",
    r"\bin the place of\b": "'instead of'",
    r"\bwithin reach\b": "'outside your scope', 'accessible'",
    r"\bhas to be\b": "'must be'",
    r"\bfor keeps\b": "'permanently'",
}
"""Regular expressions of phrases that read like a translation, and what to write instead."""

VARIABLES = frozenset(("one", "own", "said", "told", "found", "asked", "given", "made"))
"""Variable names that do not say what the value is."""

GLOSSARY = frozenset((
    "Turns", "Leases", "LoopEnd", "Reading", "Trouble", "Meaning", "Telling", "Approach", "Several",
    "Judge", "Subject", "Plans", "GivenSession", "Offer", "Once", "Receipt", "Surface", "Reached",
    "Within", "Place", "Form", "Shown", "Arranger", "Ledger", "Facts", "Case", "Site", "Departures",
))  # fmt: skip
"""Class names that a reader has to look up."""

ALLOWED: dict[tuple[str, str], str] = {}
"""Exceptions: the file and the text of a violation, and why it is right as it stands."""

QUOTES = re.compile(r"""^[a-zA-Z]{0,2}["']{1,3}|["']{1,3}$""")
TEXT_TOKENS = ("STRING", "COMMENT", "FSTRING_MIDDLE")
IGNORED_TOKENS = ("NL", "FSTRING_START", "FSTRING_END")
"""Tokens between texts that belong together. Python 3.12 and newer split f-strings into tokens."""


@dataclass(frozen=True)
class Violation:
    """A phrase or a name that violates the style."""

    path: str
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r}: {self.advice}"


def check_text(path: str, text: str, first_line: int = 1) -> Iterator[Violation]:
    """Find phrases in prose, also across lines."""
    words = [(line, word) for line, row in enumerate(text.split("\n")) for word in row.split()]
    words = [(line, word) for line, word in words if word != "#"]
    starts = [0, *accumulate(len(word) + 1 for _, word in words)]
    prose = " ".join(word for _, word in words)
    for pattern, advice in PHRASES.items():
        for match in re.finditer(pattern, prose, re.IGNORECASE):
            line, _ = words[bisect_right(starts, match.start()) - 1]
            yield Violation(path, first_line + line, match[0], advice)


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The first line and the text of the comments and strings, adjacent ones joined."""
    text, first_line, last_line = "", 1, 1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if kind in TEXT_TOKENS:
            if not text:
                first_line = last_line = token.start[0]
            text += "\n" * (token.start[0] - last_line) + QUOTES.sub("", token.string)
            last_line = token.end[0]
        elif kind not in IGNORED_TOKENS:
            if text:
                yield first_line, text
            text = ""


def bound_name(node: Any) -> str | None:
    """The name that a node binds: by assignment, as a parameter, or with ``as``."""
    match node:
        case ast.Name(id=str(name), ctx=ast.Store()) | ast.arg(arg=str(name)):
            return name
        case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
            return name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return name
        case ast.MatchMapping(rest=str(name)):
            return name
    return None


def check_python(path: str, source: str) -> Iterator[Violation]:
    """Find phrases in strings and comments, and the names of variables and classes."""
    for first_line, text in texts(source):
        yield from check_text(path, text, first_line)
    node: Any
    for node in ast.walk(ast.parse(source)):
        name = bound_name(node)
        if name in VARIABLES:
            yield Violation(path, node.lineno, str(name), "name the thing")
        if isinstance(node, ast.ClassDef) and node.name in GLOSSARY:
            yield Violation(path, node.lineno, node.name, "use the standard term")


def check_file(path: Path) -> Iterator[Violation]:
    """Find the violations in a file, the allowed ones included."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    check = check_python if path.suffix == ".py" else check_text
    return check(name, path.read_text(encoding="utf-8"))


def check_allowed(violations: list[Violation]) -> Iterator[str]:
    """Find exceptions without a reason, and those that no longer occur."""
    occurring = {(violation.path, violation.text) for violation in violations}
    for entry, reason in ALLOWED.items():
        if not reason.strip():
            yield f"ALLOWED {entry} has no reason"
        elif entry not in occurring:
            yield f"ALLOWED {entry} does not occur: remove it"


def project_files() -> Iterator[Path]:
    """The files of the project that the style applies to."""
    for folder in PYTHON:
        yield from sorted((ROOT / folder).rglob("*.py"))
    for pattern in PROSE:
        yield from sorted(ROOT.glob(pattern))


def main(arguments: list[str]) -> int:
    """Print the violations; the exit code."""
    paths = [Path(argument).absolute() for argument in arguments] or list(project_files())
    # This script and its test quote the phrases.
    checked = [path for path in paths if path.stem not in ("check_language", "test_language")]
    violations = [violation for path in checked for violation in check_file(path)]
    problems = [str(item) for item in violations if (item.path, item.text) not in ALLOWED]
    problems += check_allowed(violations) if not arguments else ()
    for problem in problems:
        print(problem)
    print(f"{len(problems)} found in {len(checked)} files.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
