"""A file's bytes become the pieces of Python in it, each knowing where it stands in the file."""

import ast
import io
import json
import re
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
        line: Where, as far as is known, from 1.
        column: The character of that line, from 1.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, cell: int | None = None):
        super().__init__(message)
        self.line = line
        self.column = column
        self.cell = cell


@dataclass(frozen=True)
class Piece:
    """Python that stands together: a file, a block of a document, a cell of a notebook.

    Attributes:
        code: What is parsed.
        lines: Where each of its lines begins in the file's text, in characters.
        indent: What stands before each line in the file, and is not in ``code``.
        first: The line of the file that its first one is, from 1.
        cell: The cell of a notebook, from 1.
        lenient: Whether code that is not Python is passed over, as it is in a document.
    """

    code: str
    lines: tuple[int, ...]
    indent: str = ""
    first: int = 1
    cell: int | None = None
    lenient: bool = False

    @cached_property
    def text_lines(self) -> list[str]:
        """Its lines, as Python counts them."""
        return _split(self.code)

    def column(self, line: int, offset: int) -> int:
        """The character of a line, from 0, that ``ast``'s offset in UTF-8 bytes means."""
        text = self.text_lines[line - 1] if line <= len(self.text_lines) else ""
        return offset if text.isascii() else len(text.encode()[:offset].decode(errors="ignore"))

    def offset(self, line: int, offset: int) -> int:
        """Where in the file's text a place of ``ast`` is, in characters."""
        if line > len(self.lines):
            return self.lines[-1] + len(self.text_lines[-1]) if self.lines else 0
        return self.lines[line - 1] + self.column(line, offset)

    def place(self, line: int, offset: int) -> tuple[int, int]:
        """The line and the character of the file, both from 1, that a place of ``ast`` is."""
        return self.first + line - 1, self.column(line, offset) + 1 + len(self.indent)

    def parse(self) -> ast.Module:
        """Its tree.

        Raises:
            UnreadableError: It is not Python that this Python knows.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the user's code, which is only read
                return ast.parse(self.code)
        except SyntaxError as error:
            line = min(error.lineno or 1, max(len(self.lines), 1))
            raise UnreadableError(
                f"no Python {_version()} can read: {error.msg}",
                self.first + line - 1,
                max(error.offset or 1, 1) + len(self.indent),
                self.cell,
            ) from None
        except (RecursionError, MemoryError):
            raise UnreadableError("nested too deeply to be parsed", self.first) from None
        except ValueError as error:  # a null byte
            raise UnreadableError(str(error), self.first) from None


@dataclass(frozen=True)
class Source:
    """A file's text, and the Python in it.

    Attributes:
        text: The whole of it, with the line ends that it has.
        encoding: What its bytes are encoded in.
        pieces: The Python in it, in order.
        editable: Whether its text can be changed by character: a notebook's cannot.
    """

    text: str
    encoding: str
    pieces: tuple[Piece, ...]
    editable: bool = True

    @cached_property
    def lines(self) -> list[int]:
        """Where each line of the text begins, in characters."""
        return _starts(self.text)

    def place(self, offset: int) -> tuple[int, int]:
        """The line and the character, both from 1, of a place in the text."""
        line = bisect_right(self.lines, offset)
        return line, offset - self.lines[line - 1] + 1


def read(data: bytes, suffix: str) -> Source:
    """The Python in a file's bytes.

    Args:
        data: What the file holds.
        suffix: How its name ends: ``.md`` and ``.ipynb`` are documents with Python in them.

    Raises:
        UnreadableError: The bytes are in no encoding that is known, or the notebook is none.
    """
    if suffix == ".ipynb":
        return _notebook(data)
    if suffix in (".md", ".markdown"):
        text = _decoded(data, "utf-8")
        return Source(text, "utf-8", tuple(_blocks(text)))
    text = _decoded(data, encoding := _encoding(data))
    # A byte order mark is decoded away by `utf-8-sig`, and written again by it.
    return Source(text, encoding, (Piece(text, tuple(_starts(text))),))


def _encoding(data: bytes) -> str:
    """What a file of Python says it is encoded in."""
    begins = data[:1000].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        return tokenize.detect_encoding(io.BytesIO(begins).readline)[0]
    except SyntaxError as error:
        if "declaration" in str(error.msg):  # there is none, and the bytes are not UTF-8
            return "utf-8"
        raise UnreadableError(str(error.msg)) from None


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        reason = f"its bytes are not {encoding}"
        if isinstance(error, UnicodeDecodeError):
            line = data.count(b"\n", 0, error.start) + 1
            raise UnreadableError(
                f"{reason} (byte {error.start}); name its encoding in its first line: "
                "# -*- coding: latin-1 -*-",
                line,
            ) from None
        raise UnreadableError(reason) from None


def _split(text: str) -> list[str]:
    """Lines as Python's parser has them, which a form feed does not end."""
    return re.split(r"\r\n|\r|\n", text)


def _starts(text: str) -> list[int]:
    return [0, *(match.end() for match in re.finditer(r"\r\n|\r|\n", text))]


def _blocks(text: str) -> Iterator[Piece]:
    """The fenced blocks of Markdown that say they are Python."""
    starts = _starts(text)
    lines = _split(text)
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        number += 1
        if opening is None:
            continue
        first, mark, indent = number, opening["mark"], opening["indent"]
        while number < len(lines) and not _closes(lines[number], mark):
            number += 1
        if PYTHON.match(opening["info"].strip()):
            yield _block(lines[first:number], starts[first:number], first + 1, indent)
        number += 1


def _closes(line: str, mark: str) -> bool:
    line = line.strip()
    return len(line) >= len(mark) and set(line) == {mark[0]}


def _block(lines: list[str], starts: list[int], first: int, indent: str) -> Piece:
    taken = [line.startswith(indent) for line in lines]
    code = [
        line[len(indent) :] if has else line.lstrip()
        for line, has in zip(lines, taken, strict=True)
    ]
    moved = [
        start + (len(indent) if has else len(line) - len(line.lstrip()))
        for start, line, has in zip(starts, lines, taken, strict=True)
    ]
    return Piece("\n".join(code), tuple(moved), indent, first, lenient=True)


def _notebook(data: bytes) -> Source:
    try:
        cells = json.loads(data)["cells"]
        codes = [
            (number, "".join(cell["source"]))
            for number, cell in enumerate(cells, 1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnreadableError(f"no notebook: {type(error).__name__} {error}".strip()) from None
    pieces = tuple(_cell(code, number) for number, code in codes)
    return Source(data.decode(errors="replace"), "utf-8", pieces, editable=False)


def _cell(code: str, number: int) -> Piece:
    lines = code.split("\n")
    if lines[0].lstrip().startswith("%%"):  # the whole cell is another language's
        lines = [""]
    code = "\n".join(MAGIC.sub(_nothing, line) for line in lines)
    return Piece(code, tuple(_starts(code)), cell=number, lenient=True)


def _nothing(magic: re.Match[str]) -> str:
    return f"{magic[1]}pass"


def _version() -> str:
    import sys

    return "{}.{}".format(*sys.version_info)
