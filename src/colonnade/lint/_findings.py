"""What is found, where, and how it is mended."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """A piece of a file's text, and what takes its place.

    Attributes:
        start: Where it begins, in characters from the start of the file.
        end: Where it ends, which is not part of it.
        text: What is put there.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """How a finding is mended.

    Attributes:
        message: What is done, as an order: "Add `table=True`".
        edits: What changes in the file; none overlaps another.
        safe: Whether the program means the same afterwards, but for what was wrong.
    """

    message: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something wrong at one place.

    Attributes:
        path: The file, as it was named.
        line: The line it begins in, from 1.
        column: The character of that line, from 1.
        code: The rule's, such as ``CLN101``.
        message: What is wrong here, and what is right.
        end_line: The line it ends in.
        end_column: The character after its last one.
        cell: The cell of a notebook, from 1: lines are counted in it.
        advice: What to do, where no fix can do it.
        fix: What does it, if something can.
        hidden: Whether the text there must not be shown, since it is a secret.
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
