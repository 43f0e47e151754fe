"""``locked``: a lock between processes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

TIMEOUT = 600.0
"""Seconds to wait for the process that holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time into the block. A process that is killed releases the lock.

    Args:
        path: The lock file: an SQLite database, whose locks work on every system.
    """
    with closing(sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
