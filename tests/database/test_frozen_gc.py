"""``Database(freeze_gc=True)``: a started app is excluded from garbage collection."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, gc
from colonnade import Database

async def main():
    before = gc.get_freeze_count()  # Python 3.12 freezes a few objects itself
    db = Database("sqlite://", freeze_gc={freeze})
    async with db.lifespan():
        print(gc.get_freeze_count() > 10_000)
    print(gc.get_freeze_count() <= before)

asyncio.run(main())
"""


@pytest.mark.parametrize(("freeze", "printed"), [(True, "True\nTrue\n"), (False, "False\nTrue\n")])
def test_the_lifespan_freezes_what_exists(freeze: bool, printed: str) -> None:
    # In another process, since it applies to all objects.
    program = PROGRAM.format(freeze=freeze)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (printed, "")
