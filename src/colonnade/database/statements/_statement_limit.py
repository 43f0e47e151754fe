"""How long a statement may take: of a Database, and for a while of less."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

GRACE = 1.0
"""Seconds beyond the limit after which the server's own word on it is not waited for any more: it,
or the way to it, has stalled."""

_narrowed: ContextVar[float | None] = ContextVar("colonnade_statement_timeout", default=None)


@contextmanager
def narrowed(seconds: float) -> Iterator[None]:
    """Let statements take no longer than this inside.

    Raises:
        ValueError: It is not a time.
    """
    if not seconds > 0:
        raise ValueError(f"A statement timeout must be more than 0 seconds, not {seconds}")
    outer = _narrowed.get()
    token = _narrowed.set(seconds if outer is None else min(seconds, outer))
    try:
        yield
    finally:
        _narrowed.reset(token)


def narrower(limit: float | None) -> float | None:
    """The limit that holds here, where it is less than that of the Database; else None.

    Args:
        limit: The Database's, in seconds; None for none.
    """
    here = _narrowed.get()
    return here if here is not None and (limit is None or here < limit) else None


def milliseconds(seconds: float) -> int:
    """As PostgreSQL takes it; it reads 0 as no limit at all."""
    return max(1, round(seconds * 1000))
