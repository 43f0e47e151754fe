"""``environment``: sets ``DATABASE_URL``, for code that reads it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def environment(url: str) -> Iterator[None]:
    """Set ``DATABASE_URL`` inside the block, and restore it afterwards.

    Args:
        url: The URL.

    Examples:
        ```python
        from colonnade import Database
        from colonnade.testing import environment

        with environment("sqlite:///other.db"):
            print(Database().url)  # sqlite:///other.db
        ```
    """
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = url
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("DATABASE_URL", None)
        else:
            os.environ["DATABASE_URL"] = before
