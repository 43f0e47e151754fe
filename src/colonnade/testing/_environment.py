"""``DATABASE_URL``, for code that looks there itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def environment(text: str) -> Iterator[None]:
    """Have ``DATABASE_URL`` be this URL inside the block."""
    before = os.environ.get("DATABASE_URL")
    os.environ["DATABASE_URL"] = text
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("DATABASE_URL", None)
        else:
            os.environ["DATABASE_URL"] = before
