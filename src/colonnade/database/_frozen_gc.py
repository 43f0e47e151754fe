"""Keep the garbage collector from walking what an application made at its start."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def frozen_gc() -> Iterator[None]:
    """Exclude all objects that exist from garbage collection, for the duration of the block.

    Models, schemas and routes are hundreds of thousands of objects that live as long as the
    process. A full collection walks them all, which stops every request for tens of milliseconds.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
