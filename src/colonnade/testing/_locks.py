"""A lock that processes share."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

LONGEST = 600.0
"""Seconds to wait for whoever has the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time into the block; one that is killed inside holds nobody up.

    Args:
        path: A file for the lock: a database, since SQLite has locks on every system.
    """
    with closing(sqlite3.connect(path, timeout=LONGEST, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
