"""Reads files into blocks of Python, each with its position in the file."""

import ast
import io
import json
import re
import sys
import tokenize
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
PYTHON = re.compile(r"^\{?\.?(python3?|py3?)\b", re.IGNORECASE)
MAGIC = re.compile(r"^(\s*)(?:[%!?].*|\w+\?\??\s*)$")


class UnreadableError(Exception):
    """A file that cannot be read as Python.

    Attributes:
        line: The line of the problem if known, counted from 1.
        column: The character of that line, counted from 1.
        cell: The notebook cell, counted from 1.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, cell: int | None = None):
        super().__init__(message)
        self.line = line
        self.column = column
        self.cell = cell


@dataclass(frozen=True)
class CodeBlock:
    """A block of Python: a file, a fenced block of Markdown, or a notebook cell.

    Attributes:
        code: The code to parse.
        starts: The start of each line in the file's text, in characters; None if the code is the
            text.
        indent: The indentation in the file that was removed from ``code``.
        first_line: The line of the file where the block starts, counted from 1.
        cell: The notebook cell, counted from 1.
        lenient: Whether invalid Python is skipped silently, as in documents.
    """

    code: str
    starts: tuple[int, ...] | None = None
    indent: str = ""
    first_line: int = 1
    cell: int | None = None
    lenient: bool = False

    @cached_property
    def lines(self) -> tuple[int, ...]:
        """The start of each line in the file's text, in characters."""
        return tuple(_starts(self.code)) if self.starts is None else self.starts

    @cached_property
    def text_lines(self) -> list[str]:
        """The lines, as Python counts them."""
        return _split(self.code)

    def column(self, line: int, offset: int) -> int:
        """Convert an offset of ``ast``, in UTF-8 bytes, to a column counted from 0."""
        text = self.text_lines[line - 1] if line <= len(self.text_lines) else ""
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))

    def offset(self, line: int, offset: int) -> int:
        """Convert a position of ``ast`` to an offset in the file's text, in characters."""
        if line > len(self.lines):
            return self.lines[-1] + len(self.text_lines[-1]) if self.lines else 0
        return self.lines[line - 1] + self.column(line, offset)

    def position(self, line: int, offset: int) -> tuple[int, int]:
        """Convert a position of ``ast`` to a line and column of the file, counted from 1."""
        return self.first_line + line - 1, self.column(line, offset) + 1 + len(self.indent)

    def parse(self) -> ast.Module:
        """Parse the block.

        Raises:
            UnreadableError: The code is not valid for this version of Python.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # warnings about the user's code
                return ast.parse(self.code)
        except SyntaxError as error:
            line = min(error.lineno or 1, max(len(self.lines), 1))
            raise UnreadableError(
                f"not valid Python {_version()}: {error.msg}",
                self.first_line + line - 1,
                max(error.offset or 1, 1) + len(self.indent),
                self.cell,
            ) from None
        except (RecursionError, MemoryError):
            raise UnreadableError("nested too deeply to be parsed", self.first_line) from None
        except ValueError as error:  # a null byte
            raise UnreadableError(str(error), self.first_line) from None


@dataclass(frozen=True)
class Source:
    """A file's text and the Python in it.

    Attributes:
        text: The whole text, with its original line endings.
        encoding: The encoding of the file.
        blocks: The blocks of Python, in order.
        editable: Whether edits by character offset are possible; they are not in notebooks.
    """

    text: str
    encoding: str
    blocks: tuple[CodeBlock, ...]
    editable: bool = True

    @cached_property
    def lines(self) -> list[int]:
        """The start of each line of the text, in characters."""
        return _starts(self.text)

    def position(self, offset: int) -> tuple[int, int]:
        """Convert an offset in the text to a line and column, counted from 1."""
        line = bisect_right(self.lines, offset)
        return line, offset - self.lines[line - 1] + 1


def read(data: bytes, suffix: str) -> Source:
    """Read the Python in a file.

    Args:
        data: The file's content.
        suffix: The suffix of its name: ``.md`` and ``.ipynb`` are documents with Python in them.

    Raises:
        UnreadableError: The encoding is unknown or wrong, or the notebook is not valid.
    """
    if suffix == ".ipynb":
        return _notebook(data)
    if suffix in (".md", ".markdown"):
        text = _decode(data, "utf-8")
        return Source(text, "utf-8", tuple(_blocks(text)))
    text = _decode(data, encoding := _encoding(data))
    # `utf-8-sig` removes a byte order mark when decoding and restores it when encoding.
    return Source(text, encoding, (CodeBlock(text),))


def _encoding(data: bytes) -> str:
    """The declared encoding of a Python file."""
    begins = data[:1000].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return tokenize.detect_encoding(io.BytesIO(begins).readline)[0]
    except SyntaxError as error:
        if "declaration" in str(error.msg):  # no declaration, and not UTF-8
            return "utf-8"
        raise UnreadableError(str(error.msg)) from None


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        reason = f"the file is not valid {encoding}"
        if isinstance(error, UnicodeDecodeError):
            line = data.count(b"\n", 0, error.start) + 1
            raise UnreadableError(
                f"{reason} (byte {error.start}); declare its encoding in the first line, for "
                "example: # -*- coding: latin-1 -*-",
                line,
            ) from None
        raise UnreadableError(reason) from None


def _split(text: str) -> list[str]:
    """Split text into lines as Python's parser does, which does not end a line at a form feed."""
    return re.split(r"\r\n|\r|\n", text)


def _starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]


def _blocks(text: str) -> Iterator[CodeBlock]:
    """Yield the fenced blocks of Markdown that are marked as Python."""
    starts = _starts(text)
    lines = _split(text)
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        first_line, mark, indent = number, opening["mark"], opening["indent"]
        while number < len(lines) and not _closes_fence(lines[number], mark):
            number += 1
        if PYTHON.match(opening["info"].strip()):
            yield _block(
                lines[first_line:number], starts[first_line:number], first_line + 1, indent
            )
        number += 1


def _closes_fence(line: str, mark: str) -> bool:
    line = line.strip()
    return len(line) >= len(mark) and set(line) == {mark[0]}


def _block(lines: list[str], starts: list[int], first_line: int, indent: str) -> CodeBlock:
    taken = [line.startswith(indent) for line in lines]
    code = [
        line[len(indent) :] if has else line.lstrip()
        for line, has in zip(lines, taken, strict=True)
    ]
    moved = [
        start + (len(indent) if has else len(line) - len(line.lstrip()))
        for start, line, has in zip(starts, lines, taken, strict=True)
    ]
    return CodeBlock("\n".join(code), tuple(moved), indent, first_line, lenient=True)


def _notebook(data: bytes) -> Source:
    try:
        cells = json.loads(data)["cells"]
        codes = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError(f"not a valid notebook: {type(error).__name__}: {error}") from None
    blocks = tuple(_cell(code, number) for number, code in codes)
    return Source(data.decode(errors="replace"), "utf-8", blocks, editable=False)


def _cell(code: str, number: int) -> CodeBlock:
    lines = code.split("\n")
    if lines[0].lstrip().startswith("%%"):  # the whole cell is in another language
        lines = [""]
    code = "\n".join(MAGIC.sub(_comment_out, line) for line in lines)
    return CodeBlock(code, cell=number, lenient=True)


def _comment_out(magic: re.Match[str]) -> str:
    return f"{magic[1]}pass"


def _version() -> str:
    return "{}.{}".format(*sys.version_info)
