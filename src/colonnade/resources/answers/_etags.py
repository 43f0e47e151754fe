"""Entity tags: which version of a row an answer shows, and in which view (RFC 9110, 8.8.3).

A tag is ``"row-view"``. ``row`` tells the row's versions apart: the number of a ``Versioned``
table, else a keyed digest of all its columns; ``If-Match`` compares it alone, so that a row read
with ``?fields=`` can be written under the same tag. ``view`` is a digest of the answer, which
``If-None-Match`` compares as well.
"""

import re
from collections.abc import Callable
from hashlib import blake2b

from colonnade.errors import QueryError, error_entry

DIGEST = 8
"""Bytes: two states of one row are taken for the same once in 2^64."""

_TAG = re.compile(r'(?:W/)?"([^"]*)"')

TAGS = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'
"""What ``If-Match`` and ``If-None-Match`` are: ``*``, or tags (RFC 9110, 8.8.3 and 13.1)."""

_TAGS = re.compile(TAGS)


class Tags:
    """The tags of one table's rows.

    Args:
        secret: Answers the key of the digests: a row has columns that nobody is shown, and a digest
            without a key is a way to guess at them.
        versioned: Whether the table is ``Versioned``.
    """

    def __init__(self, secret: Callable[[], bytes], *, versioned: bool) -> None:
        self._secret = secret
        self._versioned = versioned

    def row(self, state: str) -> str:
        """The part of a tag that tells the versions of a row apart.

        Args:
            state: What the database says of the version: see ``rows.state_text``.
        """
        return state.strip("[]") if self._versioned else self._digest(state.encode())

    def of(self, state: str, body: bytes) -> str:
        """The tag of an answer."""
        return f'"{self.row(state)}-{self._digest(body)}"'

    def _digest(self, data: bytes) -> str:
        return blake2b(data, key=self._secret(), digest_size=DIGEST).hexdigest()


def _checked(header: str, lines: list[str]) -> str:
    """A header of tags, its lines as one.

    Raises:
        QueryError: It is something else.
    """
    value = ", ".join(lines).strip()
    if not _TAGS.fullmatch(value):
        message = f'{header} must be * or the ETag of a response, in its quotation marks: "1-9ab3"'
        loc = ("header", header.lower())
        raise QueryError([error_entry("etag", loc, message, value)])
    return value


def is_unchanged(if_none_match: list[str], tag: str) -> bool:
    """Whether the client has this answer already.

    Args:
        if_none_match: The header, each line of it.
        tag: The answer's.

    Raises:
        QueryError: The header has something else than tags.
    """
    if not if_none_match:
        return False
    tags = _checked("If-None-Match", if_none_match)
    return tags == "*" or tag.strip('"') in _TAG.findall(tags)


def expected_rows(if_match: list[str]) -> frozenset[str] | None:
    """The versions of the row that a write is for; None: any.

    Args:
        if_match: The header, each line of it.

    Raises:
        QueryError: The header has something else than tags.
    """
    if not if_match:
        return None
    tags = _checked("If-Match", if_match)
    if tags == "*":
        return None
    # Strong comparison: a weak tag never matches (RFC 9110, 13.1.1).
    strong = re.findall(r'(?:^|,)\s*"([^"]*)"', tags)
    return frozenset(tag.partition("-")[0] for tag in strong)
