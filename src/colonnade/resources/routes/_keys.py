"""Keys in paths: any key as one segment of a path, and back.

A server decodes ``%2F`` before the path is split, so a slash must be written otherwise. As in
a JSON Pointer (RFC 6901) ``~`` begins an escape: ``~0`` is ``~``, ``~1`` is ``/``; ``~2`` is
the comma that joins the parts of a composite key, ``~3`` a dot where the whole part is ``.`` or
``..``, which clients would take for a step in the path, and ``~4`` is the empty text.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from colonnade.models import ColumnShape, from_base64
from colonnade.query import read_value

_PLACEHOLDER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
"""What Starlette takes between braces: https://www.starlette.io/routing/#path-parameters"""
_TAKEN = frozenset(("target", "body", "request"))

BEYOND = frozenset(("less_than_equal", "greater_than_equal", "int_parsing_size"))
"""Pydantic's errors of a number that is one, and that no column holds."""

_ESCAPES = {"~": "~0", "/": "~1", ",": "~2"}
_MEANINGS = {"0": "~", "1": "/", "2": ",", "3": ".", "4": ""}
_SAFE = "@:!$'()*,~"
"""Signs that a segment of a path may have as they are (RFC 3986, 3.3), and a value of a query
string too."""


class Keys:
    """The keys of one table.

    Args:
        columns: The columns of the key.
    """

    def __init__(self, columns: tuple[ColumnShape, ...]) -> None:
        self.columns = columns
        self._read = [_reader(column) for column in columns]

    @property
    def name(self) -> str:
        """What a key is called in a path: as its column is, if a path can have that."""
        name = self.columns[0].name
        is_own = len(self.columns) == 1 and name not in _TAKEN and _PLACEHOLDER.fullmatch(name)
        return name if is_own else "key"

    def read(self, segment: str) -> tuple[Any, ...] | None:
        """The key that a decoded segment of a path stands for; None if no row can have it.

        Raises:
            pydantic.ValidationError: A part of it is not of its column's type.
        """
        parts = segment.split(",")
        if len(parts) != len(self.columns):
            return None
        texts = [_plain(part) for part in parts]
        if any(text is None or "\0" in text for text in texts):
            return None
        try:
            return tuple(read(text) for read, text in zip(self._read, texts, strict=True))
        except ValidationError:
            raise
        except ValueError:
            return None  # not base64

    def is_beyond(self, error: ValidationError) -> bool:
        """Whether a key is of its columns' types, and greater or less than they can hold."""
        return all(detail["type"] in BEYOND for detail in error.errors(include_url=False))

    def errors(self, error: ValidationError, where: tuple[Any, ...]) -> list[dict[str, Any]]:
        """Pydantic's errors about a key, as FastAPI writes them."""
        details = error.errors(include_url=False, include_context=False)
        return [{**detail, "loc": where} for detail in details]

    def write(self, values: Any) -> str:
        """The segment of a key, ready for a URL.

        Args:
            values: The values of the key as JSON has them, in the order of the columns.
        """
        return quote(",".join(_escaped(str(value)) for value in values), safe=_SAFE)


def _reader(column: ColumnShape) -> Callable[[Any], Any]:
    """Bytes are in base64 in a path, as in an answer."""
    return from_base64 if column.kind == "bytes" else read_value(column)


def _escaped(text: str) -> str:
    if text in {".", ".."}:
        return text.replace(".", "~3")
    if not text:
        return "~4"
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def _plain(text: str) -> str | None:
    if "~" not in text:
        return text
    first, *rest = text.split("~")
    characters = [first]
    for part in rest:
        meaning = _MEANINGS.get(part[:1])
        if meaning is None:
            return None
        characters.append(meaning + part[1:])
    return "".join(characters)
