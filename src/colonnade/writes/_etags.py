"""ETags: the version of a row and the view in a response (RFC 9110, 8.8.3).

An ETag is ``"version-view"``. ``version`` is the version number of a ``Versioned`` row, otherwise a
keyed digest of its columns; ``If-Match`` compares only this part, so that a row read with
``?fields=`` can be updated with its ETag. ``view`` is a digest of the response body, which
``If-None-Match`` compares as well.
"""

import re
from collections.abc import Callable
from hashlib import blake2b

from colonnade.errors import QueryError, error_entry

DIGEST_SIZE = 8
"""Size of a digest in bytes: two versions of a row collide with a probability of 2^-64."""

_ETAG = re.compile(r'(?:W/)?"([^"]*)"')

ETAG_PATTERN = r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'
"""The syntax of ``If-Match`` and ``If-None-Match``: ``*`` or ETags (RFC 9110, 8.8.3 and 13.1)."""

_ETAGS = re.compile(ETAG_PATTERN)


class ETags:
    """The ETags of one table's rows.

    Args:
        secret: Returns the key of the digests: without it, clients could guess the values of
            hidden columns.
        versioned: Whether the table is ``Versioned``.
    """

    def __init__(self, secret: Callable[[], bytes], *, versioned: bool) -> None:
        self._secret = secret
        self._versioned = versioned

    def version(self, state: str) -> str:
        """Return the version part of an ETag.

        Args:
            state: The state of the row as the database returns it: see ``rows.state_text``.
        """
        return state.strip("[]") if self._versioned else self._digest(state.encode())

    def of(self, state: str, body: bytes) -> str:
        """Return the ETag of a response."""
        return f'"{self.version(state)}-{self._digest(body)}"'

    def _digest(self, data: bytes) -> str:
        return blake2b(data, key=self._secret(), digest_size=DIGEST_SIZE).hexdigest()


def _parse_header(header: str, lines: list[str]) -> str:
    """Join the lines of a header and check its syntax.

    Raises:
        QueryError: The header has something else than ETags.
    """
    header_value = ", ".join(lines).strip()
    if not _ETAGS.fullmatch(header_value):
        message = f'{header} must be * or an ETag in quotation marks, such as "1-9ab3"'
        loc = ("header", header.lower())
        raise QueryError([error_entry("etag", loc, message, header_value)])
    return header_value


def is_unchanged(if_none_match: list[str], tag: str) -> bool:
    """Whether the client has the current response already.

    Args:
        if_none_match: The lines of the header.
        tag: The ETag of the response.

    Raises:
        QueryError: The header has something else than ETags.
    """
    if not if_none_match:
        return False
    header_value = _parse_header("If-None-Match", if_none_match)
    return header_value == "*" or tag.strip('"') in _ETAG.findall(header_value)


def expected_versions(if_match: list[str]) -> frozenset[str] | None:
    """Return the row versions that a write accepts; None for any.

    Args:
        if_match: The lines of the header.

    Raises:
        QueryError: The header has something else than ETags.
    """
    if not if_match:
        return None
    header_value = _parse_header("If-Match", if_match)
    if header_value == "*":
        return None
    # Strong comparison: a weak tag never matches (RFC 9110, 13.1.1).
    strong = re.findall(r'(?:^|,)\s*"([^"]*)"', header_value)
    return frozenset(tag.partition("-")[0] for tag in strong)
