"""Check names and sentences against the house style; exit code 1 if something is found.

It finds what a machine can: phrases that read like a translation, variables named by words that
name nothing, and classes that need a glossary. Run it over the project, or over the files given:

    python scripts/check_language.py [FILE ...]
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = ("src", "tests", "benchmarks", "scripts")
PROSE = ("README.md", "CONTRIBUTING.md", "docs/*.md")

PHRASES = {
    r"(?<!there\s)\b(?:is|are|was|were) no (?!longer|more\b|less\b|other\b)[a-z]+": "'is not a'",
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
"""Phrases that read like a translation, and what to write instead."""

VARIABLES = frozenset(("one", "own", "said", "told", "found", "asked", "given", "made"))
"""Words that name nothing as variables."""

GLOSSARY = frozenset((
    "Turns", "Leases", "LoopEnd", "Reading", "Trouble", "Meaning", "Telling", "Approach", "Several",
    "Judge", "Subject", "Plans", "GivenSession", "Offer", "Once", "Receipt", "Surface", "Reached",
    "Within", "Place", "Form", "Shown", "Arranger", "Ledger", "Facts", "Case", "Site", "Departures",
))  # fmt: skip
"""Names of classes that a reader has to look up."""

ALLOWED: dict[tuple[str, str], str] = {}
"""What is meant as it stands, by file and text, and the reason."""


@dataclass(frozen=True)
class Violation:
    """One place that differs from the style."""

    path: str
    line: int
    text: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text!r}: {self.advice}"


def check_text(path: str, text: str, first_line: int = 1) -> Iterator[Violation]:
    """The phrases in prose."""
    for pattern, advice in PHRASES.items():
        for match in re.finditer(pattern.replace(" ", r"\s+"), text, re.IGNORECASE):
            line = first_line + text.count("\n", 0, match.start())
            yield Violation(path, line, " ".join(match[0].split()), advice)


def check_python(path: str, source: str) -> Iterator[Violation]:
    """The phrases in strings and comments, and the names that are bound."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield from check_text(path, token.string, token.start[0])
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Name(id=name, ctx=ast.Store())
                | ast.arg(arg=name)
                | ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ) if name in VARIABLES:
                yield Violation(path, node.lineno, name, "name the thing")
            case ast.ClassDef(name=name) if name in GLOSSARY:
                yield Violation(path, node.lineno, name, "use the standard term")


def check_file(path: Path) -> Iterator[Violation]:
    """The violations in a file, those included that are allowed."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
    check = check_python if path.suffix == ".py" else check_text
    return check(name, path.read_text(encoding="utf-8"))


def check_allowed(violations: list[Violation]) -> Iterator[str]:
    """What is wrong with the list of what is allowed."""
    texts = {(violation.path, violation.text) for violation in violations}
    for entry, reason in ALLOWED.items():
        if not reason:
            yield f"ALLOWED {entry} has no reason"
        elif entry not in texts:
            yield f"ALLOWED {entry} does not occur: remove it"


def files() -> Iterator[Path]:
    """Every file of the project that the style is for."""
    for folder in PYTHON:
        yield from sorted((ROOT / folder).rglob("*.py"))
    for pattern in PROSE:
        yield from sorted(ROOT.glob(pattern))


def main(arguments: list[str]) -> int:
    """Print the violations; 1 if there are any."""
    paths = [Path(argument).absolute() for argument in arguments] or list(files())
    # This script and its test have to quote what they look for.
    checked = [path for path in paths if path.stem not in ("check_language", "test_language")]
    violations = [each for path in checked for each in check_file(path)]
    problems = [str(each) for each in violations if (each.path, each.text) not in ALLOWED]
    problems += check_allowed(violations) if not arguments else ()
    for problem in problems:
        print(problem)
    print(f"{len(problems)} found in {len(checked)} files.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
