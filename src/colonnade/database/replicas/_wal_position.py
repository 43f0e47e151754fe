"""How far a database has come, and how far a reader has to find it: read your own writes."""

import re
from dataclasses import dataclass

BEYOND = 2**64 - 1
"""A position that no replica reaches."""

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


@dataclass(slots=True)
class Position:
    """How far a replica has to have come for whoever reads here.

    Attributes:
        reached: Bytes of the write-ahead log: https://www.postgresql.org/docs/current/wal-internals.html
        is_bound: Whether it is that of a block, at whose end somebody asks.
        has_written: Whether something was committed here since ``reached`` was asked.
    """

    reached: int = 0
    has_written: bool = False
    is_bound: bool = False


def position_of(text: str | None) -> int:
    """A position as PostgreSQL writes it, such as ``0/3000148``; 0 for what is none.

    Args:
        text: As a client sends it back.
    """
    match = _TEXT.fullmatch(text or "")
    return (int(match[1], 16) << 32) + int(match[2], 16) if match else 0


def text_of(position: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
