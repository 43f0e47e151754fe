"""Cursors: a place in an ordering, as opaque text.

A cursor is the sort values of a row. It is unsigned and grants nothing: whoever makes one up
could as well have asked with a filter. It has a checksum over the question it belongs to, so
that one of another query, or a damaged one, is refused rather than answered wrongly.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json

from colonnade.errors import QueryError
from colonnade.query._ordering import Ordering
from colonnade.query._values import read_value

CHECKSUM = 6
"""Bytes: one damaged cursor in 2^48 is taken for a good one."""

LONGEST = 20_000
"""Characters; the values of a row's sort columns, which may be long texts."""


class Place(NamedTuple):
    """A row's place in an ordering.

    Attributes:
        values: The row's values in the columns of the ordering.
        backwards: Whether the page is the one that ends before it.
    """

    values: tuple[Any, ...]
    backwards: bool


def write_cursor(values: str, question: str, *, backwards: bool) -> str:
    """The cursor of a row.

    Args:
        values: A JSON array of its sort values, as the database wrote it.
        question: What was asked: see ``read_cursor``.
        backwards: Whether the page is the one that ends before the row.
    """
    payload = (b"<" if backwards else b">") + values.encode()
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
        given = from_json(payload[1:])
        values = tuple(
            None if value is None and one.column.nullable else read_value(one.column)(value)
            for one, value in zip(ordering, given, strict=True)
        )
    except (ValueError, TypeError):
        message = "This is no cursor of this query: follow the links, with nothing else changed"
        loc = ("query", "cursor")
        raise QueryError(
            [{"type": "cursor", "loc": loc, "msg": message, "input": text[:100]}]
        ) from None
    return Place(values, payload[:1] == b"<")


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
