"""Cursors: a place in an ordering, as opaque text.

A cursor is the sort values of a row, as the database stores them; of a row whose values are
long, its key. It is unsigned and grants nothing: whoever makes one up could as well have asked
with a filter. It has a checksum over the question it belongs to, so that one of another query,
or a damaged one, is refused rather than answered wrongly.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from colonnade.errors import QueryError
from colonnade.models import require_storable
from colonnade.query._ordering import Ordering

CHECKSUM = 6
"""Bytes: one damaged cursor in 2^48 is taken for a good one."""

LONGEST_VALUES = 1500
"""Characters of sort values in a cursor: with one of 2,000, a URL is within what servers take
(8,000 octets at least, RFC 9110, 4.1)."""

LONGEST = 20_000
"""Characters of a cursor that is read: a key may be long as well."""

_SIGNS = {(False, False): b">", (True, False): b"<", (False, True): b"+", (True, True): b"-"}
_MEANINGS = {sign: meaning for meaning, sign in _SIGNS.items()}


class Place(NamedTuple):
    """A row's place in an ordering.

    Attributes:
        values: What the row has in the columns of the ordering; or in those of its key.
        backwards: Whether the page is the one that ends before it.
        by_key: Whether the values are those of the key alone.
    """

    values: tuple[Any, ...]
    backwards: bool
    by_key: bool = False


def key_positions(ordering: Ordering) -> list[int]:
    """Where in an ordering the columns of the key are."""
    return [index for index, one in enumerate(ordering) if one.column.primary_key]


def write_cursor(values: str, question: str, ordering: Ordering, *, backwards: bool) -> str:
    """The cursor of a row.

    Args:
        values: A JSON array of its sort values, as the database wrote it.
        question: What was asked: see ``read_cursor``.
        ordering: The ordering.
        backwards: Whether the page is the one that ends before the row.
    """
    by_key = len(values) > LONGEST_VALUES
    if by_key:
        whole = from_json(values)
        values = to_json([whole[index] for index in key_positions(ordering)]).decode()
    payload = _SIGNS[backwards, by_key] + values.encode()
    return _encoded(_checksum(payload, question) + payload)


def read_cursor(text: str, question: str, ordering: Ordering) -> Place:
    """The place that a cursor stands for.

    Args:
        text: The cursor.
        question: What was asked, in a text that differs when filters or ordering do.
        ordering: The ordering the place is in.

    Raises:
        QueryError: It is no cursor of this question.
    """
    try:
        payload = _payload(text, question)
        backwards, by_key = _MEANINGS[payload[:1]]
        columns = [ordering[index] for index in key_positions(ordering)] if by_key else ordering
        given = zip(columns, from_json(payload[1:]), strict=True)
        values = tuple(_value(value, nullable=one.column.nullable) for one, value in given)
    except (ValueError, TypeError, KeyError):
        message = "This is no cursor of this query: follow the links, with nothing else changed"
        loc = ("query", "cursor")
        raise QueryError(
            [{"type": "cursor", "loc": loc, "msg": message, "input": text[:100]}]
        ) from None
    return Place(values, backwards, by_key)


def _value(given: Any, *, nullable: bool) -> Any:
    """A value as ``place_text`` has written it; ValueError or TypeError if it cannot have."""
    if given is None and nullable:
        return None
    if isinstance(given, list) and len(given) == 1:
        return bytes.fromhex(given[0])
    if isinstance(given, str):
        return require_storable(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError("not a stored value")
    if isinstance(given, int) and not -(2**63) <= given < 2**63:
        raise ValueError("wider than any column")
    return given


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
