"""Keys in paths: encode any primary key as one path segment, and decode it.

A server decodes ``%2F`` before it splits the path, so a slash needs another escape. As in a JSON
Pointer (RFC 6901), ``~`` starts an escape: ``~0`` is ``~`` and ``~1`` is ``/``. ``~2`` is a comma,
which otherwise joins the parts of a composite key. ``~3`` is a dot in the parts ``.`` and ``..``,
which clients would resolve as relative paths. ``~4`` is the empty string.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from colonnade.models import ColumnShape, from_base64
from colonnade.query import read_value

_PLACEHOLDER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""A name of a path parameter in Starlette: https://www.starlette.io/routing/#path-parameters"""
_RESERVED_NAMES = frozenset(("target", "body", "request"))

OUT_OF_RANGE = frozenset(("less_than_equal", "greater_than_equal", "int_parsing_size"))
"""Pydantic's error types for integers that are out of range for a column."""

NO_VALUES: Mapping[str, Any] = {}

_ESCAPES = {"~": "~0", "/": "~1", ",": "~2"}
_UNESCAPES = {"0": "~", "1": "/", "2": ",", "3": ".", "4": ""}
_SAFE = "@:!$'()*,~"
"""Characters that need no quoting in path segments (RFC 3986, 3.3) and in query values."""


class Keys:
    """The keys of one table.

    Args:
        columns: The columns of the key.
        outer: The fields of columns whose values are elsewhere in the path.

    Attributes:
        columns: The columns in the segment.
    """

    def __init__(
        self, columns: tuple[ColumnShape, ...], outer: Collection[str] = frozenset()
    ) -> None:
        self._all = columns
        self.columns = tuple(column for column in columns if column.name not in outer)
        self._read = [_reader(column) for column in self.columns]

    @cached_property
    def name(self) -> str:
        """The name of the path parameter: that of the column, if Starlette accepts it."""
        name = self.columns[0].name
        is_usable = (
            len(self.columns) == 1 and name not in _RESERVED_NAMES and _PLACEHOLDER.fullmatch(name)
        )
        return name if is_usable else "key"

    def read(self, segment: str, outer: Mapping[str, Any] = NO_VALUES) -> tuple[Any, ...] | None:
        """Decode the key in a path segment; None if no row can have it.

        Args:
            segment: The segment.
            outer: The values of the columns that are not in it, by field.

        Raises:
            pydantic.ValidationError: A part does not have the type of its column.
        """
        parts = segment.split(",")
        if len(parts) != len(self.columns):
            return None
        texts = [_unescaped(part) for part in parts]
        if any(text is None or "\0" in text for text in texts):
            return None
        try:
            values = tuple(read(text) for read, text in zip(self._read, texts, strict=True))
        except ValidationError:
            raise
        except ValueError:
            return None  # not base64
        if len(values) == len(self._all):
            return values
        rest = iter(values)
        return tuple(
            next(rest) if column in self.columns else outer[column.name] for column in self._all
        )

    def is_out_of_range(self, error: ValidationError) -> bool:
        """Whether a key has the right types, but is out of range for its columns."""
        return all(entry["type"] in OUT_OF_RANGE for entry in error.errors(include_url=False))

    def errors(self, error: ValidationError, where: tuple[Any, ...]) -> list[dict[str, Any]]:
        """Return Pydantic's errors about a key in FastAPI's format."""
        entries = error.errors(include_url=False, include_context=False)
        return [{**entry, "loc": where} for entry in entries]

    def write(self, values: Sequence[Any]) -> str:
        """Encode a key as a path segment, quoted for a URL.

        Args:
            values: The values of the whole key in their JSON form, in the order of its columns.
        """
        if len(values) == 1 and type(values[0]) is int:
            return str(values[0])
        pairs = zip(self._all, values, strict=True)
        shown = (str(value) for column, value in pairs if column in self.columns)
        return quote(",".join(map(_escaped, shown)), safe=_SAFE)


def _reader(column: ColumnShape) -> Callable[[Any], Any]:
    """Return the parser of a column; bytes are base64 in a path, as in a response."""
    return from_base64 if column.kind == "bytes" else read_value(column)


def _escaped(text: str) -> str:
    if text in {".", ".."}:
        return text.replace(".", "~3")
    if not text:
        return "~4"
    return "".join(_ESCAPES.get(character, character) for character in text)


def _unescaped(text: str) -> str | None:
    if "~" not in text:
        return text
    first, *rest = text.split("~")
    unescaped = [first]
    for part in rest:
        character = _UNESCAPES.get(part[:1])
        if character is None:
            return None
        unescaped.append(character + part[1:])
    return "".join(unescaped)
