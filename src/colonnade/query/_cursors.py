"""Cursors: a position in an ordering, as opaque text.

A cursor is the sort values of a row, as the database stores them, so that it stays valid when the
row is changed or deleted. Long values are compressed. It is unsigned and grants nothing: whoever
makes one up could as well have asked with a filter. It has a checksum over the question it belongs
to, so that one of another query, or a damaged one, is refused rather than answered wrongly.
"""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json

from colonnade.errors import QueryError
from colonnade.models import require_storable
from colonnade.query._ordering import Ordering

CHECKSUM = 6
"""Bytes: one damaged cursor in 2^48 is taken for a good one."""

LONGEST_PLAIN = 200
"""Bytes of sort values that are not compressed: it would hardly make them shorter."""

LONGEST = 6000
"""Characters of a cursor: servers take a request line of 8,000 octets at least (RFC 9110, 4.1)."""

LONGEST_VALUES = 4 * 1024 * 1024
"""Bytes of sort values that a cursor is decompressed to: no request stores longer ones."""

_SIGNS = {(False, False): b">", (True, False): b"<", (False, True): b"]", (True, True): b"["}
_MEANINGS = {sign: meaning for meaning, sign in _SIGNS.items()}


class CursorPosition(NamedTuple):
    """A row's place in an ordering.

    Attributes:
        values: What the row has in the columns of the ordering.
        backwards: Whether the page is the one that ends before it.
    """

    values: tuple[Any, ...]
    backwards: bool


def write_cursor(values: str, question: str, ordering: Ordering, *, backwards: bool) -> str:
    """The cursor of a row.

    Args:
        values: A JSON array of its sort values, as the database wrote it.
        question: What was asked: see ``read_cursor``.
        ordering: The ordering.
        backwards: Whether the page is the one that ends before the row.

    Raises:
        QueryError: The values are too long for a URL.
    """
    content = values.encode()
    is_compressed = len(content) > LONGEST_PLAIN
    if is_compressed:
        content = zlib.compress(content)
    payload = _SIGNS[backwards, is_compressed] + content
    cursor = _encoded(_checksum(payload, question) + payload)
    if len(cursor) > LONGEST or len(values) > LONGEST_VALUES:
        raise QueryError([_too_long(ordering)])
    return cursor


def _too_long(ordering: Ordering) -> dict[str, Any]:
    names = ", ".join(ordered.column.name for ordered in ordering)
    message = (
        f"Cannot link to the next page: a row at the edge of this page has values in {names} "
        f"that do not fit into a cursor of {LONGEST} characters. Sort by shorter columns"
    )
    return {"type": "cursor", "loc": ("query", "order_by"), "msg": message, "input": None}


def read_cursor(text: str, question: str, ordering: Ordering) -> CursorPosition:
    """The place that a cursor stands for.

    Args:
        text: The cursor.
        question: What was asked, in a text that differs when filters or ordering do.
        ordering: The ordering the place is in.

    Raises:
        QueryError: It is not a cursor of this question.
    """
    try:
        payload = _payload(text, question)
        backwards, is_compressed = _MEANINGS[payload[:1]]
        content = _decompressed(payload[1:]) if is_compressed else payload[1:]
        pairs = zip(ordering, from_json(content), strict=True)
        values = tuple(_value(value, nullable=ordered.column.nullable) for ordered, value in pairs)
    except (ValueError, TypeError, KeyError, zlib.error):
        message = "The cursor does not belong to this query: follow the links without other changes"
        loc = ("query", "cursor")
        raise QueryError(
            [{"type": "cursor", "loc": loc, "msg": message, "input": text[:100]}]
        ) from None
    return CursorPosition(values, backwards)


def _decompressed(content: bytes) -> bytes:
    """Sort values, no more of them than a cursor can stand for; ValueError if it has more."""
    decompressor = zlib.decompressobj()
    text = decompressor.decompress(content, LONGEST_VALUES)
    if not decompressor.eof:
        raise ValueError("too long, or cut off")
    return text


def _value(value: Any, *, nullable: bool) -> Any:
    """A value as ``place_text`` has written it; ValueError or TypeError if it cannot have."""
    if value is None and nullable:
        return None
    if isinstance(value, list) and len(value) == 1:
        return bytes.fromhex(value[0])
    if isinstance(value, str):
        return require_storable(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a stored value")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("wider than any column")
    return value


def _payload(text: str, question: str) -> bytes:
    """What a cursor carries, if it is one of this question; ValueError if not."""
    if len(text) > LONGEST:
        raise ValueError("too long")
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    payload = raw[CHECKSUM:]
    # Base64 has several texts of the same bytes: one of them is ours.
    if _encoded(raw) != text or raw[:CHECKSUM] != _checksum(payload, question):
        raise ValueError("altered, or of another query")
    return payload


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _checksum(payload: bytes, question: str) -> bytes:
    return blake2b(question.encode() + b"\0" + payload, digest_size=CHECKSUM).digest()
