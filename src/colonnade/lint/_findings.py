"""Findings, fixes and edits."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """The replacement of one range of a file's text.

    Attributes:
        start: Start of the range, in characters from the start of the file.
        end: End of the range, exclusive.
        text: The replacement.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """The fix of a finding.

    Attributes:
        message: What the fix does, in the imperative: "Add `table=True`".
        edits: The edits; they do not overlap.
        safe: Whether the fix changes nothing about the program except the problem itself.
    """

    message: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A problem at one location.

    Attributes:
        path: The file, as the user named it.
        line: The first line, counted from 1.
        column: The first character of that line, counted from 1.
        code: The rule's code, such as ``CLN101``.
        message: What is wrong.
        end_line: The last line.
        end_column: The column after the last character.
        cell: The notebook cell, counted from 1; lines then count from the start of the cell.
        advice: What to do about the problem.
        fix: The fix, if there is one.
        hidden: Whether the source text is a secret that must not be shown.
    """

    path: str
    line: int
    column: int
    code: str
    message: str
    end_line: int = 0
    end_column: int = 0
    cell: int | None = None
    advice: str | None = field(default=None, compare=False)
    fix: Fix | None = field(default=None, compare=False)
    hidden: bool = field(default=False, compare=False)
