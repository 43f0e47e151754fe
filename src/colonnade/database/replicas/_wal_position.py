"""Positions in the write-ahead log, by which readers find their own writes on replicas."""

import re
from dataclasses import dataclass

MAX_LSN = 2**64 - 1
"""A position that no replica reaches, so that reads go to the primary."""

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


@dataclass(slots=True)
class Position:
    """How far a replica must have replayed the log before the current task may read from it.

    Attributes:
        lsn: A byte offset in the write-ahead log:
            https://www.postgresql.org/docs/current/wal-internals.html
        has_written: Whether this task has committed anything since ``lsn`` was read.
        is_following: Whether a ``Database.following`` block set it.
    """

    lsn: int = 0
    has_written: bool = False
    is_following: bool = False


def parse_lsn(text: str | None) -> int:
    """Parse a position in PostgreSQL's notation, such as ``0/3000148``; 0 if it is not valid.

    Args:
        text: The position, as a client sends it back.
    """
    match = _LSN.fullmatch(text or "")
    return (int(match[1], 16) << 32) + int(match[2], 16) if match else 0


def format_lsn(lsn: int) -> str:
    """Format a position in PostgreSQL's notation."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
