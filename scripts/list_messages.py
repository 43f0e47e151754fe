"""Print every text that users may see, with its file and line, to review them together.

These are the texts of exceptions, log lines, problems, error entries, the command line with its
``--help``, and lint rules. Docstrings and SQL are left out.

    python scripts/list_messages.py [FILE ...]
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
EXCLUDED = ("templates/tasks", "templates/starter", "templates/common")

SENTENCE = re.compile(r"[A-Za-z{][^\n]*\s[^\n]*[a-z]")
"""A text with at least two words."""

NOT_FOR_USERS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|WITH|PRAGMA|CAST)\b")
"""SQL statements, which are not messages."""


def text_of(node: ast.expr) -> str | None:
    """The text of a string expression, with placeholders in braces; None for other expressions."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                str(value.value) if isinstance(value, ast.Constant) else f"{{{name_of(value)}}}"
                for value in values
            )
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = text_of(left), text_of(right)
            return None if None in texts else "".join(map(str, texts))
    return None


def name_of(value: ast.expr) -> str:
    """The expression in a placeholder, shortened."""
    shown = ast.unparse(value.value) if isinstance(value, ast.FormattedValue) else "..."
    return shown if len(shown) < 40 else f"{shown[:37]}..."


def docstrings(tree: ast.AST) -> set[int]:
    """The ids of the nodes that are docstrings, those of attributes included."""
    return {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}


def messages(source: str) -> Iterator[tuple[int, str]]:
    """The line and the text of every message in a module."""
    tree = ast.parse(source)
    skipped = docstrings(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.expr) or id(node) in skipped:
            continue
        text = text_of(node)
        if text is None:
            continue
        skipped |= {id(part) for part in ast.walk(node)}
        if SENTENCE.search(text) and not NOT_FOR_USERS.match(text):
            yield node.lineno, " ".join(text.split())


def main(arguments: list[str]) -> None:
    """Print the messages of the given files, or of the whole package."""
    paths = [Path(argument).absolute() for argument in arguments] or sorted(SOURCE.rglob("*.py"))
    for path in paths:
        if any(part in path.as_posix() for part in EXCLUDED):
            continue
        for line, text in sorted(set(messages(path.read_text(encoding="utf-8")))):
            print(f"{path.relative_to(ROOT)}:{line}: {text}")


if __name__ == "__main__":
    main(sys.argv[1:])
