"""The statement timeout of a block, which is lower than that of its Database."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

GRACE = 1.0
"""Seconds beyond the timeout to wait for the server's own timeout error. After that, the server or
the network has stalled."""

_timeout: ContextVar[float | None] = ContextVar("colonnade_statement_timeout", default=None)


@contextmanager
def statement_timeout(seconds: float) -> Iterator[None]:
    """Limit the time of each statement in the block.

    Raises:
        ValueError: ``seconds`` is not greater than 0.
    """
    if not seconds > 0:
        raise ValueError(f"statement_timeout must be greater than 0 seconds, not {seconds}")
    outer = _timeout.get()
    token = _timeout.set(seconds if outer is None else min(seconds, outer))
    try:
        yield
    finally:
        _timeout.reset(token)


def block_timeout(limit: float | None = None) -> float | None:
    """Return the timeout of the enclosing block if it is lower than ``limit``, else None.

    Args:
        limit: The Database's timeout in seconds; None for no limit.
    """
    timeout = _timeout.get()
    return timeout if timeout is not None and (limit is None or timeout < limit) else None


def milliseconds(seconds: float) -> int:
    """Convert seconds for PostgreSQL, for which 0 would mean no limit."""
    return max(1, round(seconds * 1000))
