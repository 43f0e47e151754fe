"""Cursors: a position in an ordering, as opaque text.

A cursor holds the sort values of a row, as the database stores them, so that it stays valid when
the row is changed or deleted. Long values are compressed. It is not signed and grants nothing: a
forged cursor selects no more than a filter could. A checksum over the query makes Colonnade refuse
a cursor that is damaged or belongs to another query, instead of returning wrong rows.
"""

import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json

from colonnade.errors import QueryError, error_entry
from colonnade.models import require_storable
from colonnade.query._ordering import Ordering

CHECKSUM_BYTES = 6
"""With 48 bits, one damaged cursor in 2^48 passes for a valid one."""

COMPRESSION_THRESHOLD = 200
"""Sort values of up to this many bytes are not compressed, which would hardly shorten them."""

MAX_CURSOR_LENGTH = 6000
"""Servers should accept request lines of at least 8,000 octets (RFC 9110, section 4.1)."""

MAX_VALUES_BYTES = 4 * 1024 * 1024
"""The limit for decompressed sort values; no request can store longer ones."""

_MARKERS = {(False, False): b">", (True, False): b"<", (False, True): b"]", (True, True): b"["}
_FLAGS_BY_MARKER = {sign: meaning for meaning, sign in _MARKERS.items()}


class CursorPosition(NamedTuple):
    """A row's position in an ordering.

    Attributes:
        values: The row's values in the columns of the ordering.
        backwards: Whether the page ends before this row instead of starting after it.
    """

    values: tuple[Any, ...]
    backwards: bool


def write_cursor(values: str, fingerprint: str, ordering: Ordering, *, backwards: bool) -> str:
    """Encode the cursor of a row.

    Args:
        values: A JSON array of the row's sort values, as the database wrote it.
        fingerprint: The query: see ``read_cursor``.
        ordering: The ordering.
        backwards: Whether the page ends before this row instead of starting after it.

    Raises:
        QueryError: The values are too long for a URL.
    """
    content = values.encode()
    is_compressed = len(content) > COMPRESSION_THRESHOLD
    if is_compressed:
        content = zlib.compress(content)
    payload = _MARKERS[backwards, is_compressed] + content
    cursor = _encode(_checksum(payload, fingerprint) + payload)
    if len(cursor) > MAX_CURSOR_LENGTH or len(values) > MAX_VALUES_BYTES:
        raise QueryError([_too_long_error(ordering)])
    return cursor


def _too_long_error(ordering: Ordering) -> dict[str, Any]:
    names = ", ".join(sort_column.name for sort_column in ordering)
    message = (
        f"Cannot link to the next page: the first or last row has values in {names} "
        f"that do not fit into a cursor of {MAX_CURSOR_LENGTH} characters. Sort by shorter columns"
    )
    return error_entry("cursor", ("query", "order_by"), message)


def read_cursor(text: str, fingerprint: str, ordering: Ordering) -> CursorPosition:
    """Decode a cursor to a position.

    Args:
        text: The cursor.
        fingerprint: The query as text, different for every combination of filters and ordering.
        ordering: The ordering that the position refers to.

    Raises:
        QueryError: The cursor is damaged or does not belong to this query.
    """
    try:
        payload = _payload(text, fingerprint)
        backwards, is_compressed = _FLAGS_BY_MARKER[payload[:1]]
        content = _decompress(payload[1:]) if is_compressed else payload[1:]
        pairs = zip(ordering, from_json(content), strict=True)
        values = tuple(
            _checked_value(value, nullable=sort_column.nullable) for sort_column, value in pairs
        )
    except (ValueError, TypeError, KeyError, zlib.error):
        message = "The cursor does not belong to this query. Follow the links without changing them"
        entry = error_entry("cursor", ("query", "cursor"), message, text[:100])
        raise QueryError([entry]) from None
    return CursorPosition(values, backwards)


def _decompress(content: bytes) -> bytes:
    """Decompress sort values; ValueError if they are longer than a cursor may hold."""
    decompressor = zlib.decompressobj()
    text = decompressor.decompress(content, MAX_VALUES_BYTES)
    if not decompressor.eof:
        raise ValueError("too long, or cut off")
    return text


def _checked_value(value: Any, *, nullable: bool) -> Any:
    """The value, if ``stored_json`` can have written it; otherwise ValueError or TypeError."""
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


def _payload(text: str, fingerprint: str) -> bytes:
    """The payload of a cursor; ValueError if it does not belong to this query."""
    if len(text) > MAX_CURSOR_LENGTH:
        raise ValueError("too long")
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    payload = raw[CHECKSUM_BYTES:]
    # Several base64 texts decode to the same bytes; only the one that we wrote is valid.
    if _encode(raw) != text or raw[:CHECKSUM_BYTES] != _checksum(payload, fingerprint):
        raise ValueError("altered, or of another query")
    return payload


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _checksum(payload: bytes, fingerprint: str) -> bytes:
    return blake2b(fingerprint.encode() + b"\0" + payload, digest_size=CHECKSUM_BYTES).digest()
